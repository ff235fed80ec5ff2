"""Releases with a past: what was asked of them, told in a few letters."""

from __future__ import annotations

from edgewise_runtime.tallies import Tally


def ask(tally: Tally, course: str) -> None:
    """A request for each letter. x: the engine failed, anything else: it answered."""
    for event in course:
        tally.enter(0.01, failed=event == "x")
        if event == "x":
            tally.engine_failed("it broke")


def tallied(course: str) -> Tally:
    """As `ask`, from the beginning."""
    tally = Tally()
    ask(tally, course)
    return tally
