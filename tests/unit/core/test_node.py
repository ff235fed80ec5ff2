from __future__ import annotations

from typing import Any

from edgewise.api.names import profile_label
from edgewise.core.node import decide
from edgewise.core.observed import ObservedNode
from edgewise.core.outcome import NodeLabels
from tests.unit.core.builders import NOW, SETTINGS, anywhere, node, profile

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
