"""What time it is, and whether to believe it: a board without a battery wakes up in 1970, or when it was switched off.

Windows and dates of expiry ask here. A clock is right that agrees with the operator's, heard over TLS in its replies;
while none was heard, one that is not behind the newest time this device has known.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path

from edgewise_runtime.agent import kept

SLACK_SECONDS = 300.0  # between two clocks that are both right: windows are hours long
KEEP_SECONDS = 3600.0  # a write an hour is nothing to an SD card, and nobody waits for a window that was an hour ago
FILE = "clock"
_BUILT = Path(__file__).stat().st_mtime  # of the image's own file: no device runs this before it was made


class Clock:
    """One per process."""

    def __init__(self, folder: Path, now: Callable[[], float] = time.time) -> None:
        """`folder`: of the cache. `now`: seconds since the epoch, as the device believes."""
        self.now = now
        self._file = folder / FILE
        self._floor = max(_BUILT, self._read())
        self._told: tuple[float, float] | None = None

    def doubt(self) -> str:
        """Why `now` cannot be believed; empty: it can."""
        now = self.now()
        if self._told is not None:
            operators = self._told[0] + passing() - self._told[1]
            right = abs(now - operators) <= SLACK_SECONDS
            return "" if right else f"the device's clock says {stamp(now)}, the operator's {stamp(operators)}"
        if now < self._floor:
            return f"the device's clock says {stamp(now)}, but it was {stamp(self._floor)} before"
        return ""

    def heard(self, date: str) -> None:
        """The operator's time, as HTTP writes it. It counts more than anything known before: a clock that was once a
        year ahead would else be right never again."""
        try:
            told = parsedate_to_datetime(date).timestamp()
        except ValueError:
            return
        self._told = told, passing()
        self._floor = told

    async def run(self) -> None:
        """Keeps the time for the next start, for ever."""
        while True:
            await asyncio.to_thread(self._keep)
            await asyncio.sleep(KEEP_SECONDS)

    def _keep(self) -> None:
        if not self.doubt():
            self._floor = self.now()
        kept.write(self._file, f"{self._floor:.0f}\n".encode())

    def _read(self) -> float:
        try:
            return float(self._file.read_text())
        except (OSError, ValueError):
            return 0.0


def passing() -> float:
    """Seconds that pass whatever is done to the clock, and while a device is suspended."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def stamp(seconds: float) -> str:
    """Seconds since the epoch for people, to the minute."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%MZ")
