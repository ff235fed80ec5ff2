"""How much a figure would change with other examples of the same kind: bootstrap percentiles (Efron 1979)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

DRAWS = 1000

Rows = NDArray[Any]


def interval(
    statistic: Callable[[Rows], float], count: int, rng: np.random.Generator, level: float = 0.95
) -> tuple[float, float]:
    """Low and high end of `statistic`, asked with row numbers [count] drawn with replacement, at `level`.

    Draws where it is NaN are left out; NaN twice where it always is."""
    found = np.array([statistic(rng.integers(0, count, count)) for _ in range(DRAWS)])
    found = found[np.isfinite(found)]
    if not len(found):
        return float("nan"), float("nan")
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
