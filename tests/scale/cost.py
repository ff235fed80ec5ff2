"""What a process costs its machine, from /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """cpu: seconds since its start. Memory: MiB, now and at most so far."""

    cpu: float
    resident: float
    peak: float


def cost(pid: int) -> Cost:
    """ProcessLookupError's cousin FileNotFoundError where the process is gone."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    memory = {key: int(lines[key].split()[0]) / 1024 for key in ("VmRSS", "VmHWM")}
    return Cost((int(fields[11]) + int(fields[12])) / _TICKS, memory["VmRSS"], memory["VmHWM"])
