"""Tells the operator when a served model leaves its accelerator, and when it is back. See engines/standby.py."""

from __future__ import annotations

import asyncio
import contextlib

from edgewise_runtime.agent.progress import Progress, Running
from edgewise_runtime.models import Models


class Accelerators:
    """One per process; made on its event loop."""

    def __init__(self, models: Models, progress: Progress) -> None:
        self._models = models
        self._progress = progress
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()

    def changed(self) -> None:
        """Some session has lost its accelerator, or has it back. From any thread."""
        with contextlib.suppress(RuntimeError):  # the loop was closed in the meantime: nobody reports any more
            self._loop.call_soon_threadsafe(self._news.set)

    async def run(self) -> None:
        """For ever. A release that is still on its way says by itself, in the end, what it runs on."""
        while True:
            await self._news.wait()
            self._news.clear()
            if self._progress.release == self._models.release and not self._progress.moving:
                self._progress.ready(running(self._models))


def running(models: Models) -> dict[str, Running]:
    """What each served model runs on now."""
    return {
        name: Running(model.session.provider, model.session.lost, model.signer)
        for name, model in models.current().items()
    }
