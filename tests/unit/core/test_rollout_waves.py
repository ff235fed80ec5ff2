"""A new release over a fleet, wave by wave, in the world in miniature."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.core.builders import node
from tests.unit.core.rollouts import (
    SOAK,
    V2,
    A,
    B,
    after,
    answered,
    fleet,
    having,
    pis,
    restart,
    roll,
    stage,
)
from tests.unit.core.world import world


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


def test_nodes_that_join_come_in_the_last_wave() -> None:
    made = roll(fleet(pis(4)))
    joined = {f"new-{i}" for i in range(4)}
    made.nodes |= {name: replace(node(name), created="2024-01-01T00:00:00Z") for name in joined}
    after(made, SOAK)
    assert (stage(made)[0], len(having(made))) == (2, 4)
    assert not having(made) & joined
    after(made, SOAK)
    assert joined < having(made)


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


@pytest.mark.parametrize("rollout", [{"waves": [{"nodes": 1}]}, {"gates": {}}])
def test_replicas_go_at_once(rollout: dict[str, Any]) -> None:
    made = world(pis(2), placement={"mode": "Replicas", "replicas": 0}, rollout=rollout)
    made.settle()
    roll(made)
    assert made.status["release"]["stable"] == B
