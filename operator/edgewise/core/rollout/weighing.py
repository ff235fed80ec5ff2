"""How much a device's word counts: a busy one tells more than a quiet one, and none so much that it decides alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

HEAVIEST = 0.05
"""Share of the whole that one device weighs at most, of 40 or more; of fewer, twice the average device's."""
WORST = 0.05
"""Share of the devices that has no say: those that look worst. None of fewer than 20."""

T = TypeVar("T")


def weighed(amounts: Sequence[int]) -> list[float]:
    """Weights of devices with so many requests: those, but none above its share of their sum."""
    share = min(1.0, max(HEAVIEST, 2 / len(amounts)))
    rest, heaviest = float(sum(amounts)), float("inf")
    for above, amount in enumerate(sorted(amounts, reverse=True)):
        heaviest = share * rest / (1 - share * above)  # what the devices above it weigh, if it is light enough itself
        if amount <= heaviest:
            break
        rest -= amount
    return [min(float(amount), heaviest) for amount in amounts]


def without_worst(devices: Sequence[T], badness: Callable[[T], float]) -> list[T]:
    """`devices` but for the worst twentieth."""
    return sorted(devices, key=badness)[: len(devices) - int(WORST * len(devices))]
