"""How many cores this process may really use: a pod's CPU limit counts, which engines do not look at."""

from __future__ import annotations

import math
import os
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def usable_cores() -> int:
    """At least 1. The smaller of the CPU affinity and the cgroup v2 quota, rounded up.

    More threads than quota make the kernel stop the whole process for the rest of each 100 ms period."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(affinity, _quota(affinity)))


def _quota(otherwise: int) -> int:
    try:
        quota, period = _QUOTA.read_text().split()
        return otherwise if quota == "max" else math.ceil(int(quota) / int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return otherwise
