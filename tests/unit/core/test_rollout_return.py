"""A release that is no good: the fleet returns, the release stays rejected, and nothing goes to and fro."""

from __future__ import annotations

import pytest

from edgewise.contract.report import Counters
from edgewise.core.rollout.evidence import Evidence
from tests.unit.core.builders import model, node, profile, released
from tests.unit.core.evidences import counters, same
from tests.unit.core.rollouts import (
    SOAK,
    V2,
    WAVES,
    A,
    B,
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
from tests.unit.core.world import World


def test_a_release_that_does_not_load_in_the_first_wave_is_rejected_and_nobody_ever_serves_it() -> None:
    made = bad()
    assert made.ready == ("False", "ReleaseRejected")
    assert {one["type"] for one in made.status["conditions"]} == {"Ready", "Stalled"}
    assert having(made, A) == set(made.nodes)
    assert made.status["release"] == {"stable": A, "target": A, "rejected": [B]}
    assert made.plan is not None
    assert (made.plan.stable, made.plan.target, made.plan.switch.all) == (A, A, True)
    assert [one.name for one in made.plan.releases] == [A]
    assert made.plan.rejected == [B]


def test_it_says_why_with_the_evidence_and_what_to_do() -> None:
    made = bad()
    device = f"({tried(made)}): LoadFailed: the graph has an unknown operator"
    why = f"TooManyFailed: 1 of 1 devices cannot serve it {device}"
    assert made.status["conditions"][0]["message"] == (
        f"{B} was rejected: {why}; 6 of 6 reachable nodes serve {A}; "
        f"to go on, change the model, or set spec.rollout.retry: {B}"
    )
    told = {key: value for key, value in made.status["rollout"].items() if not key.endswith("At")}
    assert told == {
        "release": B, "wave": 1, "waves": 3, "evidence": "0 of 1 devices serve it, 1 failed", "reason": why,
    }  # fmt: skip


def tried(made: World) -> str:
    """The device of the first wave, as the status names it."""
    return str(made.status["rollout"]["reason"]).partition("(")[2].partition(")")[0]


def test_the_rejection_is_on_record_before_the_plan_goes_back() -> None:
    """So that an operator that ends in between does not begin anew with it."""
    made = fleet()
    made.broken = {(name, B) for name in made.nodes}
    made.release(V2)
    while not rejected(made):
        made.live()
        made.reconcile()
    assert made.plan is not None
    assert made.plan.target == B
    restart(made)
    after(made, 0)
    assert made.plan.target == A
    assert made.ready == ("False", "ReleaseRejected")


def test_devices_that_serve_it_go_back_when_it_fails_in_a_later_wave() -> None:
    made = roll(fleet())
    (first,) = having(made)
    made.broken = {(name, B) for name in made.nodes if name != first}
    after(made, SOAK)
    assert made.ready == ("False", "ReleaseRejected")
    assert having(made, A) == set(made.nodes)


def test_a_release_that_fails_requests_is_rejected_before_it_has_soaked() -> None:
    made = roll(fleet(gates={"errorRate": "0.01"}))
    answered(made, 1000, 3)
    after(made, 5)
    assert stage(made) == (1, "Soaking")
    answered(made, 1000, 120)
    after(made, 5)
    assert made.ready == ("False", "ReleaseRejected")
    assert "12 % of its requests fail; errorRate allows 1 %" in made.status["conditions"][0]["message"]
    assert having(made) == set()


def test_errors_of_the_stable_release_are_not_held_against_the_new_one() -> None:
    made = roll(fleet(gates={"errorRate": "0.01"}))
    made.counters |= {(name, A): Counters(requests=1000, failures=900) for name in made.nodes}
    answered(made, 1000)
    after(made, SOAK)
    assert stage(made)[0] == 2


@pytest.mark.parametrize(
    ("gates", "bad", "why"),
    [
        ({"latencyRatio": "1.2"}, same(500, seconds=0.02, confidence=0.9), "it takes 2"),
        ({"confidenceShift": "0.25"}, same(500, seconds=0.01, confidence=0.5), "its confidences are"),
    ],
    ids=["slower", "less sure"],
)
def test_a_release_that_behaves_otherwise_on_the_same_device_is_rejected(
    gates: dict[str, str], bad: Evidence, why: str
) -> None:
    usual, sure = same(500, seconds=0.01, confidence=0.9), model(version="2.0.0", task="Classification")
    for shown, ready in ((bad, "False"), (usual, "True")):
        made = roll(fleet(gates=gates, models=[model(task="Classification")]), sure)
        for name in made.nodes:
            made.counters |= {(name, A): counters(usual), (name, released(sure).name): counters(shown)}
        for _ in range(4):
            after(made, SOAK)
        assert made.ready[0] == ready
        assert (why in made.status["conditions"][0]["message"]) is (ready == "False")


def test_one_broken_device_in_a_later_wave_vetoes_nothing() -> None:
    made = fleet([node(f"pi-{i}") for i in range(1, 31)], waves=[{"nodes": 1}])
    made.broken = {("pi-7", B)}
    roll(made)
    assert not rejected(made), "the draw took the broken one first; break another"
    after(made, SOAK)
    after(made, SOAK)
    assert made.ready == ("True", "Serving")
    assert made.status["release"]["stable"] == B
    assert made.status["nodes"]["failed"] == 1


def test_a_release_that_fails_on_one_profile_only_is_rejected() -> None:
    profiles = [profile("cpu"), profile("jetson", priority=9)]
    nodes = [node(f"pi-{i}") for i in range(40)] + [node(f"j-{i}", "jetson") for i in range(2)]
    made = fleet(nodes)
    made.profiles = profiles
    made.settle()
    made.broken = {("j-0", B), ("j-1", B)}
    roll(made)
    for _ in range(3):
        after(made, SOAK)
    assert made.ready == ("False", "ReleaseRejected")


def test_without_rollback_the_rollout_stops_and_devices_stay_where_they_are() -> None:
    made = fleet(rollbackOnFailure=False)
    made.broken = {(name, B) for name in made.nodes}
    roll(made)
    assert made.ready == ("False", "TooManyFailed")
    assert {one["type"] for one in made.status["conditions"]} == {"Ready", "Stalled"}
    assert made.plan is not None
    assert (made.plan.target, len(made.plan.switch.nodes)) == (B, 1)
    assert "rejected" not in made.status["release"]


def test_when_the_way_back_is_bad_too_everything_stops() -> None:
    made = roll(fleet())
    (first,) = having(made)
    made.broken = {(first, A), *((name, B) for name in made.nodes)}
    made.edit(rollout={"waves": WAVES, "gates": {"errorRate": "0.01"}})
    answered(made, 100, 90)
    after(made, 5)
    assert made.ready == ("False", "ReturnFailed")
    message = made.status["conditions"][0]["message"]
    assert f"1 node cannot serve it any more ({first}): the graph has an unknown operator" in message
    plan = made.plan
    for _ in range(5):
        after(made, 1000)
    assert (made.plan, made.ready) == (plan, ("False", "ReturnFailed"))


def test_without_a_way_back_nobody_goes() -> None:
    """Somebody deleted the snapshot of the stable release."""
    made = fleet()
    del made.children["ControllerRevision", f"digits-release-{A}"]
    roll(made)
    assert made.ready == ("False", "ReleaseNotFound")
    assert having(made, A) == set(made.nodes)
    made.edit(rollout={})
    after(made, 0)
    assert having(made, B) == set(made.nodes)


def test_without_waves_and_gates_nobody_is_judged_but_each_device_by_itself() -> None:
    made = fleet(waves=[])
    made.broken = {(name, B) for name in made.nodes}
    roll(made)
    assert made.ready == ("False", "LoadFailed")
    assert "rejected" not in made.status["release"]
    assert having(made, A) == set(made.nodes)
