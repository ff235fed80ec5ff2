"""Three hundred devices that come back at the same moment: who speaks when is spread, by rule. No clock runs here."""

from __future__ import annotations

import itertools
import random
from bisect import bisect_left
from collections.abc import Iterator

import pytest

from edgewise.controller.pacing import Turns
from edgewise.controller.pokes import A_SECOND
from edgewise_runtime.agent.backoff import backoff, spread
from edgewise_runtime.agent.reporting import FIRST_BACKOFF_SECONDS

MANY = 300
HEALED = 65.0  # seconds after the cut


def most_in_a_second(times: list[float]) -> int:
    ordered = sorted(times)
    return max(bisect_left(ordered, begun + 1.0) - number for number, begun in enumerate(ordered))


def test_pokes_leave_at_an_even_pace_however_many_are_due() -> None:
    turns = Turns(A_SECOND)
    times = [turns.next(now=0.0) for _ in range(MANY)]
    assert most_in_a_second(times) <= A_SECOND + 1
    assert max(times) < MANY / A_SECOND


@pytest.mark.parametrize("interval", [10.0, 60.0, 300.0])
def test_devices_that_lost_the_same_link_do_not_report_in_step_when_it_is_back(interval: float) -> None:
    random.seed(7)
    first = [next(at for at in tries(interval) if at >= HEALED) for _ in range(MANY)]
    spread_over = min(interval, HEALED) / 2  # seconds, at the least
    assert most_in_a_second(first) <= 2.5 * MANY / spread_over


def test_devices_that_began_together_drift_apart() -> None:
    random.seed(7)
    times = [sum(spread(10.0) for _ in range(12)) for _ in range(MANY)]
    assert most_in_a_second(times) <= MANY / 3


def tries(interval: float) -> Iterator[float]:
    """When one device of a cut link tries to report, as agent/reporting.py paces it; seconds since the cut."""
    at = 0.0
    for failures in itertools.count():
        at += backoff(failures, min(FIRST_BACKOFF_SECONDS, interval), interval)
        yield at
