"""Changed pods (an image, resources, who may ask) over a fleet, wave by wave; the release stays, or comes along."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.core.builders import SETTINGS, build, model, node, profile, released
from tests.unit.core.fleets import CPU
from tests.unit.core.podchanges import CRASHES, NEW, WORSE, changed, name, pull_sets, renewed
from tests.unit.core.rollouts import SOAK, A, after, answered, fleet, having, pis, restart, roll, stage


def test_an_image_goes_wave_by_wave_and_the_last_wave_makes_it_the_one_to_go_back_to() -> None:
    made = changed(fleet())
    assert (len(renewed(made)), stage(made), made.ready) == (1, (1, "Soaking"), ("False", "Soaking"))
    first = renewed(made)
    after(made, SOAK - 1)
    assert renewed(made) == first
    after(made, 1)
    assert (len(renewed(made)), stage(made)) == (3, (2, "Soaking"))
    assert first < renewed(made)
    after(made, SOAK)
    assert (len(renewed(made)), stage(made)) == (6, (3, "Soaking"))
    after(made, SOAK)
    assert made.ready == ("True", "Serving")
    assert "rollout" not in made.status
    assert made.served() == dict.fromkeys((f"pi-{i}" for i in range(1, 7)), A)


def test_the_status_names_the_changed_pods_and_the_release_they_serve() -> None:
    made = changed(fleet())
    told = made.status["rollout"]
    assert (told["release"], told["pods"][:5], told["wave"], told["waves"]) == (A, "pods-", 1, 3)
    message = made.status["conditions"][0]["message"]
    assert message.startswith(f"wave 1 of 3 of {told['pods']}: ")


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"serving": {"image": NEW}}, id="an image"),
        pytest.param({"serving": {"resources": {"requests": {"memory": "1Gi"}}}}, id="resources"),
        pytest.param({"serving": {"hostPort": 8000}}, id="a port"),
        pytest.param({"serving": {"auth": {"tokenSecretRef": {"name": "clients"}}}}, id="who may ask"),
        pytest.param({"placement": {"tolerations": [{"key": "edge", "operator": "Exists"}]}}, id="tolerations"),
    ],
)
def test_whatever_pods_are_made_from_goes_by_the_waves(spec: dict[str, Any]) -> None:
    made = fleet()
    before = {pod.template for pod in made.pods.values()}
    made.edit(**spec)
    for count in (1, 3, 6):
        after(made, 0)
        assert sum(pod.template not in before for pod in made.pods.values()) == count
        after(made, SOAK)
    assert made.ready == ("True", "Serving")


def test_an_image_that_the_administrator_chooses_goes_by_the_waves() -> None:
    made = fleet()
    made.settings = replace(SETTINGS, images={"cpu": NEW})
    after(made, 0)
    assert len(renewed(made)) == 1


def test_without_waves_and_gates_pods_are_replaced_as_max_unavailable_says() -> None:
    made = fleet(waves=[])
    made.edit(serving={"image": NEW})
    made.settle(rounds=30)
    assert len(renewed(made)) == 6


def test_a_wave_of_many_is_replaced_within_max_unavailable() -> None:
    made = fleet(pis(20), waves=[], gates={"soak": "1m"})
    made.edit(serving={"image": NEW})
    most = 0
    for _ in range(30):
        made.reconcile()
        most = max(most, 20 - sum(pod.ready for pod in made.pods.values()))
        made.live()
    assert (most, len(renewed(made))) == (2, 20)


def test_each_wave_is_one_plan_one_event_and_promotion_another() -> None:
    made, told = fleet(), []
    before = made.status["plan"]["sequence"]
    made.edit(serving={"image": NEW})
    for look in range(60):
        told += [event.reason for event in made.reconcile().events]
        made.live()
        made.now += SOAK * (look % 15 == 14)
    assert told == ["RollingOut", "RollingOut", "RollingOut", "Serving"]
    assert made.status["plan"]["sequence"] == before + 4


def test_only_devices_whose_pods_change_are_in_its_waves() -> None:
    mixed = [*pis(3), *(node(f"orin-{i}", "jetson") for i in range(3))]
    jetson = profile("jetson", priority=900, runtime={"platform": "jetpack-6"})
    made = fleet(mixed, profiles=[CPU, jetson])
    made.settings = replace(SETTINGS, images={"jetson-6": NEW})
    after(made, 0)
    assert len(renewed(made)) == 1
    assert renewed(made) <= {"orin-0", "orin-1", "orin-2"}
    for _ in range(3):
        after(made, SOAK)
    assert (renewed(made), made.ready) == ({"orin-0", "orin-1", "orin-2"}, ("True", "Serving"))


def test_an_offline_device_holds_nothing_up_and_gets_its_pod_when_it_returns() -> None:
    made = fleet()
    made.cut("pi-1", "pi-2")
    changed(made)
    for _ in range(3):
        after(made, SOAK)
    assert made.ready == ("True", "Serving")
    assert renewed(made) == {"pi-3", "pi-4", "pi-5", "pi-6"}
    made.heal("pi-1", "pi-2")
    after(made, 0)
    assert len(renewed(made)) == 6
    assert pull_sets(made) == {}


def test_a_device_that_returns_before_its_wave_keeps_its_pod() -> None:
    made = fleet()
    made.cut("pi-1", "pi-2", "pi-3")
    changed(made)
    first = renewed(made)
    made.heal("pi-1", "pi-2", "pi-3")
    after(made, 0)
    assert renewed(made) == first


def test_a_restart_of_the_operator_goes_on_where_it_was() -> None:
    made = changed(fleet())
    after(made, SOAK)
    before = renewed(made)
    restart(made)
    after(made, 20)
    assert (renewed(made), stage(made)) == (before, (2, "Soaking"))
    after(made, SOAK)
    assert len(renewed(made)) == 6


def test_a_lost_plan_goes_on_from_the_pods_that_are_there() -> None:
    made = changed(fleet())
    after(made, SOAK)
    before = renewed(made)
    assert made.plan is not None
    lost = made.plan.model_copy(update={"switch": made.plan.switch.model_copy(update={"template": None})})
    made.children["ConfigMap", "digits-plan"]["data"]["plan.json"] = lost.model_dump_json(by_alias=True)
    after(made, 0)
    assert renewed(made) >= before
    assert len(renewed(made)) <= 6


def test_a_pod_that_was_made_anew_too_early_is_in_the_first_wave_and_makes_none_superfluous() -> None:
    made = changed(fleet(), paused=True)
    for _ in range(3):
        del made.pods["digits-cpu-pi-4"], made.serving["digits-cpu-pi-4"]
        after(made, SOAK)
    assert (renewed(made), stage(made)) == ({"pi-4"}, (0, "Paused"))
    changed(made, paused=False)
    assert (renewed(made), stage(made)) == ({"pi-4"}, (1, "Soaking"))
    after(made, SOAK)
    assert (len(renewed(made)), stage(made)) == (3, (2, "Soaking"))


@pytest.mark.parametrize("combined", [False, True], ids=["pods alone", "with a release"])
def test_an_operator_that_ends_while_it_promotes_repeats_no_wave(combined: bool) -> None:
    made = fleet()
    made.edit(serving={"image": NEW})
    roll(made, *([] if combined else [made.models["digits"]]))
    for _ in range(2):
        after(made, SOAK)
    assert stage(made) == (3, "Soaking")
    made.now += SOAK
    before, key = made.deployment, ("ConfigMap", "digits-plan")
    plan = made.children[key]
    made.reconcile()
    made.children[key], made.deployment = plan, before
    after(made, 0)
    after(made, 0)
    assert made.ready == ("True", "Serving")


def test_pods_that_are_taken_back_in_the_middle_of_a_release_leave_it_where_it_is() -> None:
    made = fleet()
    made.edit(serving={"image": NEW})
    roll(made)
    after(made, SOAK)
    made.edit(serving={})
    after(made, 0)
    assert (len(having(made)), renewed(made), stage(made)) == (3, set(), (2, "Soaking"))


def test_a_pause_holds_pods_and_waves() -> None:
    made = changed(fleet())
    first = renewed(made)
    changed(made, paused=True)
    after(made, SOAK)
    assert (renewed(made), made.ready) == (first, ("False", "Paused"))
    changed(made, paused=False)
    assert len(renewed(made)) == 3


def test_a_soak_of_changed_pods_is_skipped_by_their_name() -> None:
    made = changed(fleet())
    changed(made, promote=f"{name(made)}/1")
    assert (len(renewed(made)), stage(made)) == (3, (2, "Soaking"))


def test_another_change_in_the_middle_begins_with_its_own_first_wave() -> None:
    made = changed(fleet())
    after(made, SOAK)
    assert len(renewed(made)) == 3
    changed(made, WORSE)
    assert (len(renewed(made, WORSE)), stage(made)) == (1, (1, "Soaking"))
    assert len(renewed(made)) >= 2


def test_figures_that_compare_releases_hold_no_pods_up() -> None:
    made = changed(fleet(gates={"minRequests": 1000, "errorRate": "0.01", "latencyRatio": "1.2"}))
    answered(made, 10, failures=10, release=A)
    after(made, SOAK)
    assert stage(made) == (2, "Soaking")


def test_a_release_and_an_image_that_come_together_go_by_one_set_of_waves() -> None:
    made = fleet()
    made.edit(serving={"image": NEW})
    roll(made)
    for count in (1, 3, 6):
        assert len(having(made)) == len(renewed(made)) == count
        assert having(made) == renewed(made)
        after(made, SOAK)
    assert made.ready == ("True", "Serving")


def test_an_image_that_comes_in_the_middle_of_a_release_takes_no_device_its_release() -> None:
    made = roll(fleet())
    after(made, SOAK)
    before = having(made)
    changed(made)
    assert (having(made), len(renewed(made)), stage(made)[0]) == (before, 1, 1)
    for _ in range(3):
        after(made, SOAK)
    assert (len(having(made)), len(renewed(made)), made.ready) == (6, 6, ("True", "Serving"))


def test_pods_that_only_a_release_asks_for_go_back_with_it() -> None:
    bigger = model(version="2.0.0", variants=[build(memory="400Mi")])
    made = fleet()
    before = {pod.node: pod.template for pod in made.pods.values()}
    made.broken = {(f"pi-{i}", released(bigger).name) for i in range(1, 7)}
    roll(made, bigger)
    after(made, SOAK)
    assert made.ready == ("False", "ReleaseRejected")
    assert made.status["release"]["rejected"] == [released(bigger).name]
    assert {pod.node: pod.template for pod in made.pods.values()} == before


def test_both_are_suspect_where_they_failed_together() -> None:
    made = fleet()
    made.spoilt[NEW] = CRASHES
    made.edit(serving={"image": NEW})
    roll(made)
    after(made, SOAK)
    assert [one[:5] for one in made.status["release"]["rejected"]] == ["2.0.0", "pods-"]
    assert (renewed(made), having(made, A)) == (set(), {f"pi-{i}" for i in range(1, 7)})
