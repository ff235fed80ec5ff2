"""Deletes each object once. The look after a deletion often comes before the watch says that the object is going, and
would delete it again: of a fleet whose pods are replaced that is hundreds of calls for nothing. Called by reconciler.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from edgewise.cluster.client import Client
from edgewise.cluster.errors import NotFoundError
from edgewise.core.observed import ObjectRef

HEARD_WITHIN = 10.0
"""Seconds in which a watch says what was deleted; what is still wanted gone then is deleted again."""


class Deletions:
    """Remembers, for a while, what it deleted."""

    def __init__(self, client: Client, clock: Callable[[], float] = monotonic) -> None:
        self._client = client
        self._clock = clock
        self._done: dict[str, float] = {}  # uid -> when, the oldest first

    async def delete(self, doomed: ObjectRef) -> None:
        """Its uid says exactly which object is meant. Raises ApiError, but not where somebody was quicker."""
        now = self._clock()
        for uid, at in list(self._done.items()):
            if now - at < HEARD_WITHIN:
                break
            del self._done[uid]
        if doomed.uid in self._done:
            return
        try:
            await self._client.delete(doomed)
        except NotFoundError:
            return
        self._done[doomed.uid] = now
