"""Sends a device back to the release it served before, when the engine keeps failing on what the new one is asked.

A model may load, pass its self test and still fail on real requests. Nobody has to be asked about that: the release
before served the same clients well. It never goes back and forth: what was given back is refused from then on, and what
failed has not served well. Started by agent/__init__.py; hears of failures from tallies.py.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from edgewise.api.names import Reason
from edgewise_runtime.agent.bell import heard
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.plans import Plans
from edgewise_runtime.models import Models
from edgewise_runtime.tallies import AMONG, FAILURES, Tally

log = logging.getLogger(__name__)

PROBATION = 1000
"""Requests for which a release is on probation, and longer until the plan calls it stable."""
WELL = 200
"""Of its newest so many requests a release that served well did not fail FAILURES: 2 %."""
LONG_AGO = 10_000
"""Requests after which a spell of failures is forgotten: clients that send such requests now and then would make the
next release look bad, too."""


class Probation:
    """One per process."""

    def __init__(self, plans: Plans, models: Models, give_back: Callable[[Failure], None]) -> None:
        """`give_back`: told why the release that serves shall not."""
        self._plans = plans
        self._models = models
        self._give_back = give_back
        self._given_back = -1
        self._failed = asyncio.Event()
        models.tallies.on_failure = self._failed.set

    async def run(self) -> None:
        """For ever."""
        while True:
            await heard(self._failed, None)
            self._look()

    def _look(self) -> None:
        release, generation = self._models.release, self._models.generation
        before = self._models.tallies.before(release or "")
        if release is None or before is None or generation == self._given_back:
            return
        new, old = (self._models.tallies.of(name) for name in (release, before))
        if self._on_probation(release, new) and keeps_failing(new, old):
            self._given_back = generation  # once: going back takes a moment, in which more requests fail
            message = f"{FAILURES} of {AMONG} requests in a row failed, and {before} served well before: {new.error}"
            log.error("a release keeps failing; going back", extra={"release": release, "detail": message})
            self._give_back(Failure(Reason.KEEPS_FAILING, message))

    def _on_probation(self, release: str, tally: Tally) -> bool:
        plan = self._plans.current
        return tally.requests <= PROBATION or (plan is not None and plan.stable != release)


def keeps_failing(new: Tally, old: Tally) -> bool:
    """Whether `new` is in a spell of failures, and `old` did not know such spells from the same clients."""
    return new.failing(AMONG) and served_well(old)


def served_well(tally: Tally) -> bool:
    """Whether the engine answered what it was asked: AMONG requests at least, and hardly any failed."""
    recently = bool(tally.spell) and tally.requests - tally.spell < LONG_AGO
    return tally.requests >= AMONG and not tally.failing(WELL) and not recently
