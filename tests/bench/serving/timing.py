"""Asks contestants in turns, so that what disturbs the machine disturbs all of them, and takes medians."""

import math
import statistics
import time
from collections.abc import Callable, Mapping

Samples = Callable[[int], list[float]]
"""Asks n times, and returns the seconds of each."""

_WARM = 3  # first requests of a turn, not counted: the others have had the caches


def seconds_of(ask: Callable[[], object]) -> float:
    """`ask` by the clock."""
    began = time.perf_counter()
    ask()
    return time.perf_counter() - began


def timed(ask: Callable[[], object]) -> Samples:
    return lambda count: [seconds_of(ask) for _ in range(count)]


def interleaved(contestants: Mapping[str, Samples], rounds: int, each: int) -> dict[str, list[float]]:
    """{contestant: the median of each of its turns, in ms}; another one begins each round."""
    names = list(contestants)
    medians: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        at = number % len(names)
        for name in names[at:] + names[:at]:
            seconds = contestants[name](each + _WARM)[_WARM:]
            medians[name].append(statistics.median(seconds) * 1000)
    return medians


def minus(left: list[float], right: list[float]) -> list[float]:
    """Round by round."""
    return [a - b for a, b in zip(left, right, strict=True)]


def over(left: list[float], right: list[float]) -> list[float]:
    """Round by round."""
    return [a / b for a, b in zip(left, right, strict=True)]


def share(part: list[float], whole: list[float]) -> list[float]:
    """Each round's part of the median whole: of small differences, a quotient round by round would be noise."""
    median = statistics.median(whole)
    return [value / median for value in part]


def percentile(values: list[float], share: float) -> float:
    """The smallest value that `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
