"""Keeps what each release has answered on the device, so that a restart does not begin its evidence anew.

`<cache>/<deployment uid>/<profile>/tallies.json`, read at a start and written at switches, at a regular end, and in
between once a minute while a rollout is on: a power cut costs a minute of counts. At other times nobody waits for
them, and a quarter of an hour is often enough: 100 writes a day onto a flash that bears millions. Started by
agent/__init__.py.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

from edgewise.api.base import Model
from edgewise.contract.histogram import Histogram
from edgewise.contract.report import Counters
from edgewise_runtime.agent import kept
from edgewise_runtime.agent.bell import heard
from edgewise_runtime.agent.plans import Plans
from edgewise_runtime.agent.progress import Progress
from edgewise_runtime.agent.threads import to_the_end
from edgewise_runtime.models import Models
from edgewise_runtime.tallies import FAILURES, Tally

log = logging.getLogger(__name__)

TALLIES = "tallies.json"
ROLLING_SECONDS = 60.0
SETTLED_SECONDS = 900.0


class _Kept(Model):
    """A tally on disk."""

    counters: Counters
    failed: Annotated[list[Annotated[int, Field(ge=1)]], Field(max_length=FAILURES)] = Field(default_factory=list)
    spell: Annotated[int, Field(ge=0)] = 0


_DOCUMENT = TypeAdapter(dict[str, _Kept])


class Counting:
    """One per process."""

    def __init__(self, profile: str, plans: Plans, models: Models, progress: Progress) -> None:
        self._profile = profile
        self._plans = plans
        self._models = models
        self._news = progress.bell.listen(plans.bell.listen())
        self._read = False
        self._written: tuple[str | None, int] = (None, 0)

    async def run(self) -> None:
        """For ever."""
        try:
            while True:
                self._news.clear()
                await self._go_on()
                await self._write()
                await self._due()
        finally:
            await self._write()

    async def _go_on(self) -> None:
        """Counts of this process begin where those of the last one ended, as soon as a plan says whose they are."""
        path = self._path()
        if path is None or self._read:
            return
        self._read = True
        found = await asyncio.to_thread(kept.read, path, _DOCUMENT.validate_json)
        for release, before in (found or {}).items():
            self._models.tallies.of(release).go_on_from(_tally(before))
        self._note_retry()

    async def _due(self) -> None:
        """Until something is worth writing: a switch at once, requests when their time has come."""
        loop = asyncio.get_running_loop()
        until = loop.time() + (ROLLING_SECONDS if self._rolling() else SETTLED_SECONDS)
        while (left := until - loop.time()) > 0 and self._models.release == self._written[0]:
            if not await heard(self._news, left):
                return
            self._note_retry()
            if self._rolling():
                until = min(until, loop.time() + ROLLING_SECONDS)

    def _note_retry(self) -> None:
        if self._plans.current is not None:
            self._models.tallies.retried(self._plans.current.retry)

    async def _write(self) -> None:
        path, state = self._path(), self._state()
        if path is None or not self._read or state == self._written:
            return
        document = {
            release: _Kept(counters=tally.counters(), failed=list(tally.failed), spell=tally.spell)
            for release, tally in self._models.tallies.all().items()
        }
        self._written = state
        await to_the_end(kept.write, path, _DOCUMENT.dump_json(document, by_alias=True, exclude_none=True))

    def _state(self) -> tuple[str | None, int]:
        """What serves, and how much was counted."""
        return self._models.release, sum(tally.requests for tally in self._models.tallies.all().values())

    def _rolling(self) -> bool:
        plan = self._plans.current
        return plan is not None and plan.target != plan.stable

    def _path(self) -> Path | None:
        folder = self._plans.folder()
        return None if folder is None else folder / self._profile / TALLIES


def _tally(before: _Kept) -> Tally:
    counters = before.counters
    tally = Tally(
        again=counters.again,
        requests=counters.requests,
        failures=counters.failures,
        refused=counters.refused,
        escalated=counters.escalated,
        seconds=counters.seconds,
        failed=deque(before.failed, FAILURES),
        spell=before.spell,
    )
    for name, said in counters.models.items():
        answers = tally.answers(name)
        answers.seconds = _counts(said.seconds, len(answers.seconds))
        answers.confidence = _counts(said.confidence, len(answers.confidence))
    return tally


def _counts(histogram: Histogram, size: int) -> list[int]:
    return list(histogram.dense(size))
