"""What a worker does all day: take a key, look at the object, put the key back for later. Run by the operator."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from edgewise.cluster.errors import ApiError
from edgewise.controller.children import ChildRefusedError
from edgewise.controller.keys import Key
from edgewise.controller.metrics import Metrics
from edgewise.controller.queue import WorkQueue

_log = logging.getLogger(__name__)
Look = Callable[[Key], Awaitable[float | None]]
"""Looks at one object; returns the seconds after which to look again, or None."""
_SOONEST = 0.05  # seconds; a decision that asks for less would keep a worker busy for ever


async def work(queue: WorkQueue[Key], looks: Mapping[str, Look], metrics: Metrics) -> None:
    """Until cancelled. Whatever is wrong with one object, the others go on."""
    while True:
        key = await queue.get()
        try:
            with metrics.look(key):
                delay = await looks[key.kind](key)
            queue.succeeded(key)
            if delay is not None:
                queue.add_after(key, max(delay, _SOONEST))
        except Exception as error:  # noqa: BLE001
            _failed(key, error, queue.retry(key))
        finally:
            queue.done(key)


def _failed(key: Key, error: Exception, delay: float) -> None:
    expected = isinstance(error, ApiError | ChildRefusedError)
    extra = {
        "kind": key.kind,
        "namespace": key.namespace,
        "object": key.name,
        "error": str(error) or repr(error),
        "again_in": round(delay, 1),
    }
    _log.warning("look failed", extra=extra, exc_info=None if expected else error)
