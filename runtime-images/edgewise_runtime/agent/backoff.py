"""How long to wait before trying again. Jitter keeps 400 devices that lost the same link from coming back in step."""

from __future__ import annotations

import random


def backoff(attempt: int, first: float, longest: float) -> float:
    """Seconds before try `attempt` + 1: doubles from `first` to `longest`, then spread over the upper half of that."""
    ceiling = min(longest, first * 2.0 ** min(attempt, 32))
    return ceiling * random.uniform(0.5, 1.0)  # noqa: S311  spreading load, not keeping secrets


def spread(seconds: float, share: float = 0.1) -> float:
    """`seconds`, give or take `share` of it."""
    return seconds * random.uniform(1.0 - share, 1.0 + share)  # noqa: S311  as above
