"""Watches a release from the moment it serves until it has proved itself: a process that dies meanwhile died of it.

The next start then serves the last good release at once, and says why. Used by agent/switching.py at each switch.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from edgewise.api.base import Model
from edgewise.api.names import Reason
from edgewise_runtime.agent import kept
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.goals import Goal
from edgewise_runtime.agent.lastgood import DEATHS, LastGood, named

FILE = "proving.json"
PROVED_SECONDS = 60.0  # served so long, and answered somebody: what crashes on requests does so by then
IDLE_SECONDS = 3600.0  # nobody asked: then time alone must do, or a kill in a month would count against it
LOOK_SECONDS = 1.0
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class _Watch(Model):
    """A release that has yet to prove itself."""

    goal: str
    """As lastgood.named."""
    boot: str
    """Of the machine: one that was switched off has told nothing about the release."""
    deaths: int = 0
    alive: bool = True
    """A process serves it; False: the last one ended in good order, or was counted."""


class Proving:
    """Of one deployment on one device. All methods block, briefly."""

    def __init__(self, memory: LastGood) -> None:
        self._memory = memory
        self._file = memory.folder / FILE

    def begin(self, goal: Goal) -> None:
        """From now on deaths count against `goal`."""
        before = self._read()
        deaths = before.deaths if before is not None and before.goal == named(goal) else 0
        self._write(_Watch(goal=named(goal), boot=boot_id(), deaths=deaths))

    def passed(self, goal: Goal) -> None:
        """`goal` has proved itself."""
        self._memory.prove(goal)
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)

    def pause(self) -> None:
        """This process ends because it was told to."""
        if (watch := self._read()) is not None and watch.alive:
            self._write(watch.model_copy(update={"alive": False}))

    def watches(self, goal: Goal) -> bool:
        """Whether `goal` has yet to prove itself."""
        watch = self._read()
        return watch is not None and watch.goal == named(goal)

    def deaths(self, goal: Goal) -> int:
        """At a start: how many times the process has died of `goal`, which the last one served. 0: nothing against it.

        Where the machine was switched off, that counts only from DEATHS on: a driver may take all of it down, too.
        """
        watch = self._read()
        if watch is None or watch.goal != named(goal) or not watch.alive:
            return 0
        deaths = watch.deaths + 1
        self._write(watch.model_copy(update={"deaths": deaths, "alive": False}))
        return deaths if watch.boot == boot_id() or deaths >= DEATHS else 0

    def _read(self) -> _Watch | None:
        return kept.read(self._file, _Watch.model_validate_json)

    def _write(self, watch: _Watch) -> None:
        kept.write(self._file, watch.model_dump_json(by_alias=True).encode())


async def proved(requests: Callable[[], int]) -> None:
    """Returns when a release that begins to serve now has proved itself. `requests`: that it was asked so far."""
    loop = asyncio.get_running_loop()
    began, before = loop.time(), requests()
    served = 0.0
    while served < IDLE_SECONDS and (served < PROVED_SECONDS or requests() == before):
        await asyncio.sleep(LOOK_SECONDS)
        served = loop.time() - began


def crashed(goal: Goal, deaths: int) -> Failure:
    """Why `goal` does not serve, although it did."""
    times = "once" if deaths == 1 else f"{deaths} times"
    end = "; it is not tried again" if deaths >= DEATHS else ""
    message = f"the runtime died {times} soon after it began to serve release {goal.release}{end}"
    return Failure(Reason.CRASH_LOOP, message)


def boot_id() -> str:
    """New whenever the machine starts; empty where the system does not say."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""
