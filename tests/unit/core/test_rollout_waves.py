"""A new release over a fleet, wave by wave, in the world in miniature."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgewise.api.edgemodel import EdgeModel
from tests.unit.core.builders import ONNX_FP16, build, model, node, released
from tests.unit.core.fleets import BOTH, CORAL, CPU, JETSON
from tests.unit.core.rollouts import (
    SOAK,
    V2,
    V3,
    A,
    B,
    C,
    after,
    answered,
    fleet,
    having,
    pis,
    restart,
    roll,
    stage,
)
from tests.unit.core.world import World, world


def test_waves_follow_each_other_when_they_have_soaked_and_the_last_promotes() -> None:
    made = roll(fleet())
    assert (len(having(made)), stage(made)) == (1, (1, "Soaking"))
    assert made.ready == ("False", "Soaking")
    after(made, SOAK - 1)
    assert len(having(made)) == 1
    first = having(made)
    after(made, 1)
    assert (len(having(made)), stage(made)) == (3, (2, "Soaking"))
    assert first < having(made)
    after(made, SOAK)
    assert (len(having(made)), stage(made)) == (6, (3, "Soaking"))
    assert made.status["release"]["stable"] == A
    after(made, SOAK)
    assert made.ready == ("True", "Serving")
    assert made.status["release"] == {"stable": B, "target": B, "previous": A}
    assert "rollout" not in made.status


def test_each_wave_is_one_plan_and_promotion_another() -> None:
    made = fleet()
    before = made.status["plan"]["sequence"]
    roll(made)
    for _ in range(3):
        after(made, SOAK)
    assert made.ready == ("True", "Serving")
    assert made.status["plan"]["sequence"] == before + 4


def test_each_wave_is_one_event_and_promotion_another() -> None:
    made, told = fleet(gates={"minRequests": 10}), []
    made.release(V2)
    for look in range(40):
        told += [event.reason for event in made.reconcile().events]
        made.now += SOAK * (look % 8 == 3)
        answered(made, 10 * (look % 8 > 4))
        made.live()
    assert told == ["RollingOut", "RollingOut", "RollingOut", "Serving"]


def test_the_status_says_where_the_rollout_stands() -> None:
    made = roll(fleet())
    assert made.status["rollout"] == {
        "release": B, "wave": 1, "waves": 3,
        "startedAt": "2023-11-14T22:13:20Z", "waveStartedAt": "2023-11-14T22:13:20Z",
        "soakEndsAt": "2023-11-14T22:23:20Z",
        "evidence": "1 of 1 devices serve it", "reason": "Soaking: its devices serve it; it soaks",
    }  # fmt: skip
    message = made.status["conditions"][0]["message"]
    assert message == f"wave 1 of 3 of {B}: its devices serve it; it soaks; 1 of 6 reachable nodes serve {B}"


def test_a_first_release_skips_the_waves() -> None:
    made = world(pis(6), rollout={"waves": [{"nodes": 1}]})
    made.settle()
    assert made.ready == ("True", "Serving")
    assert having(made, A) == {f"pi-{i}" for i in range(1, 7)}


def test_a_fleet_of_one_is_one_wave() -> None:
    made = roll(fleet(pis(1)))
    assert stage(made) == (1, "Soaking")
    after(made, SOAK)
    assert made.ready == ("True", "Serving")


def test_without_waves_and_gates_everybody_goes_at_once() -> None:
    made = fleet(waves=[])
    roll(made)
    assert made.ready == ("True", "Serving")
    assert having(made) == {f"pi-{i}" for i in range(1, 7)}


def test_gates_without_waves_judge_one_wave_of_everybody() -> None:
    made = roll(fleet(waves=[], gates={"soak": "1m"}))
    assert (len(having(made)), stage(made)) == (6, (1, "Soaking"))
    after(made, 60)
    assert made.ready == ("True", "Serving")


def test_a_wave_by_labels_takes_those_nodes() -> None:
    lab = [replace(one, labels={**one.labels, "site": "lab"}) for one in pis(2)]
    made = roll(fleet([*lab, *pis(6)[2:]], waves=[{"selector": {"site": "lab"}}]))
    assert having(made) == {"pi-1", "pi-2"}


def test_offline_devices_hold_no_wave_and_take_it_when_they_return_to_a_released_one() -> None:
    made = fleet(pis(10))
    made.cut(*(f"pi-{i}" for i in range(1, 8)))
    roll(made)
    assert len(having(made)) == 1
    after(made, SOAK)
    after(made, SOAK)
    assert len(having(made)) == 3
    after(made, SOAK)
    assert made.ready == ("True", "Serving")
    made.heal(*(f"pi-{i}" for i in range(1, 8)))
    after(made, 0)
    assert len(having(made)) == 10


def test_a_device_that_returns_before_its_wave_stays_on_the_stable_release() -> None:
    made = fleet()
    made.cut("pi-1", "pi-2", "pi-3")
    roll(made)
    made.heal("pi-1", "pi-2", "pi-3")
    after(made, 0)
    assert made.plan is not None
    assert having(made) <= set(made.plan.switch.nodes)
    assert len(having(made) & {"pi-4", "pi-5", "pi-6"}) == 1


def test_nodes_that_join_come_in_the_last_wave() -> None:
    made = roll(fleet(pis(4)))
    joined = {f"new-{i}" for i in range(4)}
    made.nodes |= {name: replace(node(name), created="2024-01-01T00:00:00Z") for name in joined}
    after(made, SOAK)
    assert (stage(made)[0], len(having(made))) == (2, 4)
    assert not having(made) & joined
    after(made, SOAK)
    assert joined < having(made)


def test_a_wave_whose_only_device_goes_away_takes_another_after_a_soak() -> None:
    made = roll(fleet())
    (first,) = having(made)
    made.cut(first)
    after(made, 30)
    assert stage(made) == (1, "DevicesLost")
    after(made, SOAK)
    assert (len(having(made)), stage(made)) == (2, (1, "Soaking"))
    after(made, SOAK)
    assert stage(made)[0] == 2


def test_a_release_that_takes_devices_off_the_network_gets_four_of_them() -> None:
    made = roll(fleet(pis(20)))
    for _ in range(12):
        made.cut(*having(made))
        after(made, SOAK)
    assert len(having(made)) == 4
    assert made.ready == ("False", "DevicesLost")
    assert made.status["conditions"][1]["type"] == "Stalled"


@pytest.mark.parametrize("seconds", [0, 5, SOAK])
def test_a_restart_of_the_operator_holds_the_wave_for_an_interval_and_lowers_no_count(seconds: float) -> None:
    made = roll(fleet())
    made.now += seconds
    restart(made)
    made.reconcile()
    assert made.status["nodes"]["updated"] == 1
    assert stage(made)[0] == 1
    assert made.ready == ("False", "Listening")
    made.live()
    made.settle()
    assert stage(made) == (1, "Listening")
    after(made, 12)
    assert stage(made)[0] == (2 if seconds == SOAK else 1)


def test_a_status_that_was_never_written_releases_nothing_twice() -> None:
    """The operator ended between plan and status."""
    made = roll(fleet())
    made.now += SOAK
    made.live()
    before = made.deployment
    made.reconcile()
    assert made.plan is not None
    released, made.deployment = made.plan.switch, before
    after(made, 5)
    assert made.plan.switch == released
    assert stage(made) == (2, "Soaking")


def test_somebody_who_deletes_the_plan_does_not_start_the_rollout_anew_for_everybody() -> None:
    made = roll(fleet())
    del made.children["ConfigMap", "digits-plan"]
    made.settle()
    assert made.plan is not None
    assert made.plan.stable == A
    assert len(having(made)) <= 2


def test_a_pause_holds_the_next_wave_and_nobody_goes_back() -> None:
    made = roll(fleet())
    made.edit(rollout={"waves": [{"nodes": 1}], "paused": True})
    after(made, 2 * SOAK)
    assert (len(having(made)), made.ready) == (1, ("False", "Paused"))
    made.edit(rollout={"waves": [{"nodes": 1}]})
    after(made, 0)
    assert len(having(made)) == 6


def test_a_pause_before_the_first_wave_lets_nobody_go() -> None:
    made = fleet(paused=True)
    roll(made)
    assert (having(made), made.ready) == (set(), ("False", "Paused"))
    assert made.plan is not None
    assert (made.plan.target, made.plan.switch.all, made.plan.switch.nodes) == (B, False, [])


def test_a_pause_in_the_last_wave_holds_those_who_have_not_got_to_it() -> None:
    made = fleet(waves=[], gates={"soak": "10m"})
    made.cut("pi-1")
    roll(made)
    made.edit(rollout={"gates": {"soak": "10m"}, "paused": True})
    made.settle()
    made.heal("pi-1")
    after(made, 0)
    assert having(made) == {f"pi-{i}" for i in range(2, 7)}
    made.edit(rollout={"gates": {"soak": "10m"}})
    made.settle()
    assert len(having(made)) == 6


def test_to_pin_the_stable_release_aborts_it() -> None:
    made = roll(fleet())
    made.edit(release=A)
    after(made, 0)
    assert having(made, A) == {f"pi-{i}" for i in range(1, 7)}
    assert made.ready == ("True", "Serving")
    assert "rejected" not in made.status["release"]


def test_to_promote_a_wave_skips_its_soak_and_no_other() -> None:
    made = roll(fleet())
    made.edit(rollout={"waves": [{"nodes": 1}, {"percent": 50}], "promote": f"{B}/1"})
    after(made, 0)
    assert stage(made) == (2, "Soaking")


def test_quiet_devices_are_waited_for_until_the_deadline() -> None:
    made = roll(fleet(gates={"minRequests": 100, "deadline": "1h", "onTooFew": "Promote"}))
    after(made, SOAK)
    assert stage(made) == (1, "TooFewRequests")
    answered(made, 100)
    after(made, 5)
    assert stage(made)[0] == 2
    after(made, 3600)
    assert stage(made)[0] == 3


def test_the_device_that_does_not_report_holds_the_wave() -> None:
    made = roll(fleet())
    made.mute |= having(made)
    after(made, SOAK)
    assert stage(made) == (1, "DevicesSilent")
    made.mute |= set(made.nodes)
    after(made, SOAK)
    assert stage(made) == (1, "ReportsUnavailable")
    made.mute.clear()
    after(made, 0)
    assert stage(made)[0] == 2


def test_devices_that_reported_long_ago_are_not_silent_before_they_had_a_chance_to_speak() -> None:
    """While nothing rolls out they report every five minutes."""
    made = fleet()
    made.mute |= set(made.nodes)
    made.now += 290
    roll(made)
    assert stage(made) == (1, "WaitingForDevices")
    made.now += 91
    made.settle()
    assert stage(made) == (1, "ReportsUnavailable")


def half_way() -> World:
    """Three of six serve B, and C comes."""
    made = roll(fleet())
    after(made, SOAK)
    assert len(having(made)) == 3
    return made


def test_a_new_version_in_the_middle_leaves_everybody_what_he_has_until_it_is_his_turn() -> None:
    made = half_way()
    had = having(made)
    roll(made, V3)
    (first,) = having(made, C)
    assert having(made, B) == had - {first}
    assert having(made, A) == set(made.nodes) - had - {first}
    assert made.status["release"] == {"stable": A, "target": C}
    for _ in range(3):
        after(made, SOAK)
    assert having(made, C) == set(made.nodes)
    assert made.status["release"] == {"stable": C, "target": C, "previous": A}


def test_who_keeps_an_earlier_version_outlives_restarts_and_writes_nothing() -> None:
    made = half_way()
    roll(made, V3)
    before = made.plan
    restart(made)
    made.settle()
    after(made, 100)
    assert made.plan == before


def test_a_device_that_slept_through_the_version_in_between_does_not_get_it() -> None:
    made = fleet(waves=[{"nodes": 5}])
    made.cut("pi-1")
    roll(made, V2)
    assert made.plan is not None
    made.edit(rollout={"waves": [{"nodes": 1}], "paused": True})
    roll(made, V3)
    assert made.plan.switch.keep == {B: sorted(having(made))}
    made.heal("pi-1")
    after(made, 0)
    assert made.served()["pi-1"] == A


def test_when_the_newest_version_fails_everybody_goes_back_to_the_stable_one() -> None:
    made = half_way()
    made.broken = {(name, C) for name in made.nodes}
    roll(made, V3)
    assert made.ready == ("False", "ReleaseRejected")
    assert having(made, A) == set(made.nodes)


def test_a_list_of_waves_that_is_shortened_releases_nobody_by_itself() -> None:
    made = roll(fleet(waves=[{"nodes": 1}, {"nodes": 2}, {"nodes": 3}]))
    after(made, SOAK)
    assert stage(made)[0] == 2
    made.edit(rollout={"waves": [{"nodes": 1}]})
    after(made, 0)
    assert len(having(made)) == 2


def test_waves_that_are_added_in_the_middle_count_from_there() -> None:
    made = fleet(waves=[])
    made.cut("pi-1")
    made.broken = {("pi-2", B)}
    roll(made)
    made.edit(rollout={"waves": [{"nodes": 1}]})
    after(made, 0)
    assert made.status["rollout"]["waves"] == 2


def test_pods_for_a_bigger_model_are_made_wave_by_wave() -> None:
    bigger = model(version="2.0.0", variants=[build(memory="400Mi")])
    made = fleet()
    pods = {pod.node: pod.template for pod in made.pods.values()}
    roll(made, bigger)
    for wave in (1, 3):
        replaced = {pod.node for pod in made.pods.values() if pod.template != pods[pod.node]}
        assert (len(replaced), replaced) == (wave, having(made, released(bigger).name))
        after(made, SOAK)
    after(made, SOAK)
    assert not {pod.template for pod in made.pods.values()} & set(pods.values())
    assert made.ready == ("True", "Serving")


def test_pods_for_another_reason_are_made_anew_whatever_the_wave() -> None:
    """A port, an image, who may ask: that is no matter of the release."""
    made = roll(fleet())
    pods = {pod.template for pod in made.pods.values()}
    made.edit(serving={"hostPort": 8000})
    for _ in range(8):
        made.reconcile()
        made.live()
    assert not {pod.template for pod in made.pods.values()} & pods
    assert len(having(made)) == 1


def test_the_same_release_under_a_new_plan_goes_on_where_it_was() -> None:
    made = roll(fleet())
    had = having(made)
    made.edit(serving={"maxQueue": 7})
    after(made, 5)
    assert (having(made), stage(made)) == (had, (1, "Soaking"))


@pytest.mark.parametrize("rollout", [{"waves": [{"nodes": 1}]}, {"gates": {}}])
def test_replicas_go_at_once(rollout: dict[str, Any]) -> None:
    made = world(pis(2), placement={"mode": "Replicas", "replicas": 0}, rollout=rollout)
    made.settle()
    roll(made)
    assert made.status["release"]["stable"] == B


BETTER = model("digits", build(), build("fp16", ONNX_FP16), version="2.0.0")
ELSEWHERE = model("digits", build("fp16", ONNX_FP16), version="2.0.0")


@pytest.mark.parametrize("second", [BETTER, ELSEWHERE], ids=["a better build there", "no build where they are"])
def test_nobody_moves_to_another_profile_before_the_last_wave(second: EdgeModel) -> None:
    """Who is not released yet would find nothing to serve there."""
    made = fleet([node(f"pi-{i}", "jetson") for i in range(1, 7)], profiles=[CPU, JETSON])
    made.release(second)
    for look in range(20):
        made.reconcile()
        assert made.plan is not None
        if any(pod.profile == "jetson" for pod in made.pods.values()):
            assert made.plan.switch.all
        made.live()
        assert len(made.served()) == 6, "everybody serves something at every look"
        made.now += SOAK * (look % 4 == 3)
    assert {pod.profile for pod in made.pods.values()} == {"jetson"}
    assert set(made.served().values()) == {released(second).name}
    assert made.ready == ("True", "Serving")


def test_a_node_the_new_version_has_nothing_for_keeps_the_stable_one_and_holds_no_wave() -> None:
    first, second = model("digits", *BOTH), model("digits", BOTH[0], version="2.0.0")
    nodes = [node(f"orin-{i}", "jetson") for i in range(4)] + [node("stick", "coral")]
    made = roll(fleet(nodes, profiles=[CORAL, JETSON], models=[first]), second)
    for _ in range(4):
        after(made, SOAK)
    assert made.ready == ("True", "Serving")
    assert made.served() == {**{f"orin-{i}": released(second).name for i in range(4)}, "stick": released(first).name}
    assert made.status["release"] == {"stable": released(first).name, "target": released(second).name}
