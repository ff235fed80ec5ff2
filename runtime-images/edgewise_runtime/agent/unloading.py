"""Takes what serves out of memory before the next release is loaded: serving.switch InPlace, where both do not fit.

Used by agent/live.py.
"""

from __future__ import annotations

import asyncio
import logging

from edgewise_runtime.agent.goals import Goal
from edgewise_runtime.agent.loading import Loader
from edgewise_runtime.engines.memory import release
from edgewise_runtime.models import Models

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 30.0  # for requests that are being answered; nobody else is, meanwhile
_LOOK_SECONDS = 0.01


async def unload(models: Models, loader: Loader, goal: Goal | None) -> None:
    """Returns when nothing is in memory but what `goal` takes, too; None: nothing at all. Requests that came before are
    answered; one that takes longer than PATIENCE_SECONDS keeps its session, and others wait for it no more."""
    models.withdraw(loader.keep(goal))
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_SECONDS
    while models.lent and loop.time() < deadline:  # noqa: ASYNC110  models know no event loop
        await asyncio.sleep(_LOOK_SECONDS)
    if models.lent:
        log.warning("a request still runs in the old model, which stays in memory until it ends")
    await asyncio.to_thread(release)
