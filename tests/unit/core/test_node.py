from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgewise.api.names import hold_label, profile_label
from edgewise.core.node import decide
from edgewise.core.observed import ObservedNode
from edgewise.core.outcome import NodeLabels
from edgewise.core.placement import affinity
from tests.unit.core.builders import NOW, SETTINGS, anywhere, deployment, node, profile, workload

CORAL, CPU = profile("coral"), anywhere("cpu")
GRACE = SETTINGS.label_grace


def decided(device: str = "coral", *carried: str, now: float = NOW, **more: Any) -> NodeLabels:
    """About a node that carries these profile labels already."""
    labels: dict[str, Any] = {f"profile_edgewise_dev__{name}": "" for name in carried}
    seen = {"profiles": (CORAL, CPU), "settings": SETTINGS, **more}
    return decide(ObservedNode(node("box", device, **labels), **seen), now)


def names(outcome: NodeLabels) -> list[str]:
    return [label.removeprefix(profile_label("")) for label in outcome.labels]


def test_a_new_node_gets_a_label_for_each_profile_it_belongs_to() -> None:
    outcome = decided("coral")
    assert names(outcome) == ["coral", "cpu"]
    assert outcome.changed
    assert outcome.requeue_after is None


def test_a_node_with_the_right_labels_is_left_alone() -> None:
    assert not decided("coral", "coral", "cpu").changed


def test_an_unplugged_coral_keeps_its_label_and_the_node_is_looked_at_when_the_grace_ends() -> None:
    outcome = decided("none", "coral", "cpu")
    assert names(outcome) == ["coral", "cpu"]
    assert not outcome.changed
    assert outcome.unmatched_since == {"coral": NOW}
    assert outcome.requeue_after == GRACE


def test_the_grace_runs_from_when_the_match_was_lost() -> None:
    outcome = decided("none", "coral", "cpu", unmatched_since={"coral": NOW - GRACE + 1})
    assert names(outcome) == ["coral", "cpu"]
    assert outcome.requeue_after == 1


def test_the_label_goes_when_the_grace_is_over() -> None:
    outcome = decided("none", "coral", "cpu", unmatched_since={"coral": NOW - GRACE})
    assert names(outcome) == ["cpu"]
    assert outcome.changed
    assert (outcome.unmatched_since, outcome.requeue_after) == ({}, None)


def test_a_coral_plugged_in_again_forgets_the_grace() -> None:
    outcome = decided("coral", "coral", "cpu", unmatched_since={"coral": NOW - 10})
    assert (outcome.unmatched_since, outcome.requeue_after) == ({}, None)


def test_the_label_of_a_deleted_profile_goes_at_once() -> None:
    outcome = decided("coral", "coral", "cpu", profiles=(CPU,))
    assert names(outcome) == ["cpu"]
    assert outcome.changed


def test_no_label_goes_before_all_profiles_were_listed() -> None:
    assert names(decided("coral", "coral", "cpu", profiles=(CPU,), complete=False)) == ["coral", "cpu"]


def test_the_label_of_an_unreadable_profile_stays() -> None:
    outcome = decided("coral", "coral", "cpu", profiles=(CPU,), invalid_profiles=frozenset({"coral"}))
    assert names(outcome) == ["coral", "cpu"]
    assert not outcome.changed


def test_an_unreadable_profile_gives_no_label() -> None:
    assert names(decided("coral", "cpu", profiles=(CPU,), invalid_profiles=frozenset({"coral"}))) == ["cpu"]


HOLD, OTHER = hold_label("uid"), hold_label("uid-of-a-deployment-that-is-gone")
NPU = anywhere("npu", priority=50)


def held(carried: dict[str, str], *profiles: str, **more: Any) -> NodeLabels:
    """About a CPU node with these holds and profile labels; one deployment runs there from profile cpu."""
    placement = deployment().spec.placement
    on_cpu = workload("cpu", affinity=affinity("cpu", ["npu"], placement, HOLD))
    labels = {**dict.fromkeys(map(profile_label, profiles), ""), **carried}
    box = replace(node("box"), labels={**node("box").labels, **labels})
    there = {"settings": SETTINGS, "deployments": frozenset(("uid",)), "daemons": {"uid": (on_cpu,)}}
    return decide(ObservedNode(box, **{"profiles": (NPU, CPU), **there, **more}), NOW)


def test_a_better_profiles_label_comes_with_a_hold_for_whom_it_would_move() -> None:
    assert held({}, "cpu").labels == {profile_label("cpu"): "", profile_label("npu"): "", HOLD: "cpu"}


def test_so_does_the_loss_of_the_label_that_a_pod_is_there_for() -> None:
    elsewhere = [{"matchExpressions": [{"key": "cpu", "operator": "Exists"}]}]
    unlike = profile("cpu", nodeSelectorTerms=elsewhere)
    outcome = held({}, "cpu", profiles=(NPU, unlike), unmatched_since={"cpu": NOW - GRACE})
    assert outcome.labels == {profile_label("npu"): "", HOLD: "cpu"}


def test_a_label_that_moves_nobody_comes_alone() -> None:
    other = anywhere("other")
    assert held({}, "cpu", profiles=(other, CPU)).labels == {profile_label("cpu"): "", profile_label("other"): ""}


def test_nobody_is_held_on_a_profile_that_is_deleted() -> None:
    assert HOLD not in held({}, "cpu", "npu", profiles=(NPU,)).labels


@pytest.mark.parametrize(
    ("asked", "left"),
    [({}, {HOLD: "cpu"}), ({"uid": ""}, {}), ({"uid": "npu"}, {HOLD: "npu"})],
    ids=["nothing is asked", "let go", "held elsewhere"],
)
def test_a_hold_stays_until_its_deployment_asks_for_something_else(asked: dict[str, str], left: dict[str, str]) -> None:
    outcome = held({HOLD: "cpu"}, "cpu", "npu", asked=asked)
    assert {key: value for key, value in outcome.labels.items() if key == HOLD} == left
    assert outcome.changed is bool(asked)


@pytest.mark.parametrize(("complete", "left"), [(True, False), (False, True)], ids=["all listed", "not listed yet"])
def test_a_hold_of_a_deployment_that_is_gone_goes_once_everything_is_listed(complete: bool, left: bool) -> None:
    assert (OTHER in held({OTHER: "cpu"}, "cpu", "npu", complete=complete).labels) is left


def test_a_hold_of_a_deployment_that_another_operator_may_know_stays() -> None:
    elsewhere = replace(SETTINGS, everywhere=False)
    assert OTHER in held({OTHER: "cpu"}, "cpu", "npu", settings=elsewhere).labels
