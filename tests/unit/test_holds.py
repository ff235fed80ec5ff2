"""Since when the holds of nodes are known: five seconds of it let affinities count on them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from edgewise.api.names import hold_label
from edgewise.controller.holds import Holds
from edgewise.controller.queue import WorkQueue
from edgewise.core.observed import Node

UID = "uid"


def ticking() -> Holds:
    """One second for each time somebody looks at the clock."""
    ticks: Iterator[int] = count()
    return Holds(WorkQueue(), lambda: float(next(ticks)))


def node(name: str, held_on: str = "") -> Node:
    return Node(name, {hold_label(UID): held_on} if held_on else {}, ready=True)


def test_a_hold_is_known_from_when_it_was_first_seen() -> None:
    holds = ticking()
    first = holds.since(UID, (node("a", "cpu"),))
    assert holds.since(UID, (node("a", "cpu"), node("b", "cpu"), node("c"))) == {**first, "b": 1.0}


def test_a_hold_on_another_profile_is_another_hold() -> None:
    holds = ticking()
    assert holds.since(UID, (node("a", "cpu"),)) == {"a": 0.0}
    assert holds.since(UID, (node("a", "npu"),)) == {"a": 1.0}


def test_a_hold_that_was_gone_begins_anew() -> None:
    holds = ticking()
    assert [holds.since(UID, (node("a", held_on),)) for held_on in ("cpu", "", "cpu")] == [{"a": 0.0}, {}, {"a": 1.0}]
