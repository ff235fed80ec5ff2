"""Whether somebody at the device, such as a robot in mid-motion, forbids to switch now. Nothing else stops for it.

Two ways to say so. A file that the device's side of the machine writes (EDGEWISE_HOLD_FILE): it is there, so it holds;
its first line says why. Or PUT and DELETE /hold on the metrics port, from loopback. Either ends by itself: a hold that
was forgotten must not keep a device on an old release for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgewise_runtime import durable
from edgewise_runtime.agent.bell import Bell
from edgewise_runtime.agent.clock import Clock, passing, stamp

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
FILE = "hold"
WHY_CHARACTERS = 200
_READ = 1024  # bytes


@dataclass(frozen=True)
class Hold:
    """Somebody forbids to switch."""

    who: str
    why: str
    until: float
    """Seconds since the epoch, at the latest."""

    def __str__(self) -> str:
        return f"held by {self.who}{f' ({self.why})' if self.why else ''}, until {stamp(self.until)} at the latest"


class HoldError(ValueError):
    """A hold that cannot be taken; says why."""


class Holds:
    """One per process. `bell` rings when a hold begins, ends or changes."""

    def __init__(self, file: Path, limit: float, folder: Callable[[], Path | None], clock: Clock) -> None:
        """`limit`: seconds a hold lasts at most. `folder`: where what must survive a restart is kept; None: not yet."""
        self.bell = Bell()
        self.limit = limit
        self.current: Hold | None = None
        """As of the last look."""
        self._file = file
        self._folder = folder
        self._clock = clock
        self._first_seen: dict[tuple[Path, float], float] = {}
        self._problem = ""

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> Hold | None:
        """The hold of this moment."""
        found = await asyncio.to_thread(self._look)
        if str(found) != str(self.current):
            log.info("a hold begins" if found else "no hold any more", extra={"hold": str(found or self.current)})
            self.current = found
            self.bell.ring()
        return found

    async def put(self, seconds: float | None, why: str) -> Hold:
        """Hold from now on, for `seconds` (None: as long as one may). HoldError; OSError where it cannot be kept."""
        folder = self._folder()
        if folder is None:
            raise HoldError("this device follows no plan yet, so there is nothing to hold")
        seconds = self.limit if seconds is None else seconds
        if not 0 < seconds <= self.limit:
            raise HoldError(f"seconds must be above 0 and at most {self.limit:g}; renew a hold that has to last longer")
        note = f"{self._clock.now():.0f} {seconds:g} {_line(why)}\n"
        await asyncio.to_thread(durable.write, folder / FILE, note.encode())
        hold = await self.look()
        if hold is None:
            raise HoldError("the hold ended at once: is the device's clock being set?")
        return hold

    async def drop(self) -> None:
        """End what `put` began; a file of somebody else stays."""
        if (folder := self._folder()) is not None:
            await asyncio.to_thread((folder / FILE).unlink, missing_ok=True)
        await self.look()

    def _look(self) -> Hold | None:
        folder = self._folder()
        files = [(self._file, "a file at the device"), *([(folder / FILE, "its hold endpoint")] if folder else [])]
        found = [hold for path, who in files if (hold := self._of(path, who))]
        return max(found, key=lambda hold: hold.until, default=None)

    def _of(self, path: Path, who: str) -> Hold | None:
        try:
            written = path.stat().st_mtime
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            self._complain(f"cannot see whether there is a hold: {error}")
            return None
        text, lasts = _text(path), self.limit
        if path != self._file:
            written, lasts, text = _noted(text, written, self.limit)
        left = lasts - self._age(path, written)
        return Hold(who, text, round(self._clock.now() + left)) if left > 0 else None

    def _age(self, path: Path, written: float) -> float:
        """Seconds it has lasted: by its file's date, and at least as long as this process has seen it, whatever the
        clock says meanwhile."""
        first = self._first_seen.get((path, written))
        if first is None:
            self._first_seen = {key: seen for key, seen in self._first_seen.items() if key[0] != path}
            first = self._first_seen[path, written] = passing()
        seen_for = passing() - first
        return seen_for if self._clock.doubt() else max(seen_for, self._clock.now() - written)

    def _complain(self, problem: str) -> None:
        """Once."""
        if problem != self._problem:
            self._problem = problem
            log.error("%s; give user %d the right to look there", problem, os.getuid())


def _text(path: Path) -> str:
    """A hold whose reason cannot be read holds all the same."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        return _line(file.read(_READ).decode("utf-8", "replace"))
    return ""


def _noted(text: str, written: float, limit: float) -> tuple[float, float, str]:
    """When what `put` wrote began, how many seconds it lasts, and why. A damaged note lasts as long as one may."""
    began, _, rest = text.partition(" ")
    seconds, _, why = rest.partition(" ")
    try:
        return float(began), min(float(seconds), limit), why
    except ValueError:
        return written, limit, ""


def _line(text: str) -> str:
    """The first line, without what a terminal would obey."""
    first = text.strip().partition("\n")[0]
    return "".join(character for character in first if character.isprintable()).strip()[:WHY_CHARACTERS]
