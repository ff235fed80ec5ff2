"""A rejected release: it stays so, over restarts and other versions, until a person forgives it."""

from __future__ import annotations

import pytest

from edgewise.contract.report import Counters
from tests.unit.core.builders import model, released
from tests.unit.core.rollouts import (
    SOAK,
    V1,
    V2,
    V3,
    WAVES,
    A,
    B,
    C,
    after,
    answered,
    bad,
    fleet,
    having,
    rejected,
    restart,
    roll,
    stage,
)


@pytest.mark.parametrize("seconds", [0, 12, 86400])
def test_it_stays_rejected_over_restarts_and_time(seconds: float) -> None:
    made = bad()
    restart(made)
    for _ in range(4):
        after(made, seconds)
        assert (rejected(made), having(made)) == ([B], set())
        assert made.ready == ("False", "ReleaseRejected")
    assert "unknown operator" in made.status["conditions"][0]["message"]


def test_a_look_at_a_fleet_that_went_back_writes_nothing() -> None:
    made = bad()
    before = made.deployment, dict(made.children)
    made.now += 1000
    assert made.reconcile().requeue_after is None
    assert (made.deployment, made.children) == before


def test_a_person_forgives_it_once() -> None:
    made = bad()
    made.edit(rollout={"waves": WAVES, "retry": B})
    after(made, 0)
    assert made.ready == ("False", "ReleaseRejected"), "it is as bad as before"
    assert rejected(made) == [B]
    made.broken.clear()
    after(made, 1000)
    assert having(made) == set(), "the field still names it, and counts once"
    made.edit(rollout={"waves": WAVES})
    after(made, 0)
    made.edit(rollout={"waves": WAVES, "retry": B})
    after(made, 0)
    assert (len(having(made)), rejected(made)) == (1, [])
    for _ in range(3):
        after(made, SOAK)
    assert made.ready == ("True", "Serving")


def test_forgiveness_in_advance_is_none() -> None:
    made = fleet(retry=B)
    made.broken = {(name, B) for name in made.nodes}
    roll(made)
    assert made.ready == ("False", "ReleaseRejected")
    after(made, 1000)
    assert made.ready == ("False", "ReleaseRejected")


def test_a_better_version_goes_its_way_and_the_bad_one_stays_on_record() -> None:
    made = bad()
    roll(made, V3)
    assert (stage(made), len(having(made, C))) == ((1, "Soaking"), 1)
    for _ in range(3):
        after(made, SOAK)
    assert made.ready == ("True", "Serving")
    roll(made, V2)
    assert made.ready == ("False", "ReleaseRejected")
    assert having(made, C) == set(made.nodes)


def test_to_pin_what_was_rejected_changes_nothing() -> None:
    made = bad()
    made.edit(release=B)
    after(made, 0)
    assert having(made, A) == set(made.nodes)
    assert made.ready == ("False", "ReleaseRejected")


def test_to_go_back_to_the_stable_version_in_the_model_ends_the_trouble() -> None:
    made = bad()
    roll(made, V1)
    assert made.ready == ("True", "Serving")
    assert "rollout" not in made.status


def test_of_many_bad_releases_the_newest_sixteen_are_remembered() -> None:
    made = fleet()
    versions = [model(version=f"3.{i}.0") for i in range(18)]
    for version in versions:
        made.broken |= {(name, released(version).name) for name in made.nodes}
        roll(made, version)
    assert rejected(made) == [released(version).name for version in versions[2:]]


def test_what_a_release_did_before_it_was_forgiven_is_not_held_against_it() -> None:
    gates = {"errorRate": "0.01", "minRequests": 50}
    made = roll(fleet(gates=gates))
    answered(made, 1000, 900)
    after(made, 5)
    assert made.ready == ("False", "ReleaseRejected")
    made.edit(rollout={"waves": WAVES, "gates": gates, "retry": B})
    after(made, 0)
    after(made, SOAK)
    assert stage(made) == (1, "TooFewRequests")
    (first,) = having(made)
    made.counters[first, B] = Counters(requests=100, again=True)
    after(made, SOAK)
    assert stage(made)[0] == 2
