"""Compares the store with the cluster, by names alone: is everything there that should be, and nothing else?

Run once at the start, as the barrier before any work (absence means absence only after a full listing), and every few
minutes afterwards: a deletion that happened while a watch was broken is reported by nobody, and a watch that died
silently leaves objects missing. One metadata-only list per kind; no bodies, no writes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from edgewise.cluster.client import Client, Selection
from edgewise.cluster.errors import ApiError, ExpiredError, ForbiddenError, NotFoundError
from edgewise.cluster.projections import Record
from edgewise.cluster.resources import WATCHED, Watched
from edgewise.cluster.store import Name, Store

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Findings:
    """How the store differs from the cluster for one kind."""

    missing: tuple[Name, ...]
    """In the cluster, not (yet) in the store."""
    gone: tuple[Record, ...]
    """Were in the store, no longer in the cluster; taken out of the store by now."""


class Census:
    """Counts every watched kind in the namespaces we serve (none named: all)."""

    def __init__(
        self, client: Client, store: Store, namespaces: Sequence[str] = (), watched: Sequence[Watched] = WATCHED
    ) -> None:
        self._client = client
        self._store = store
        self._namespaces = namespaces
        self._watched = watched

    async def barrier(self, pause: float = 0.1) -> None:
        """Returns when the store holds every object of every kind; says which kind it waits for.

        Raises NotFoundError when a kind does not exist in this cluster, ForbiddenError when we may not list it.
        """
        for watched in self._watched:
            await self._filled(watched, pause)
        self._store.complete = True
        _log.info("everything listed", extra={"kinds": len(self._watched)})

    async def sweep(self) -> list[Findings]:
        """One look at every kind, in the order of the watched kinds."""
        return [await self.look(watched) for watched in self._watched]

    async def look(self, watched: Watched) -> Findings:
        """Compares one kind. What was known before the listing began and is not in it, is gone."""
        shelf = self._store.shelf(watched.resource)
        before = dict(shelf.names())
        listed = await self._listed(watched)
        gone = [shelf.remove(name, uid) for name, uid in before.items() if listed.get(name) != uid]
        known = shelf.names()
        missing = sorted(name for name, uid in listed.items() if known.get(name) != uid)
        return Findings(tuple(missing), tuple(record for record in gone if record is not None))

    async def _filled(self, watched: Watched, pause: float) -> None:
        told = False
        while True:
            try:
                missing = (await self.look(watched)).missing
            except (NotFoundError, ForbiddenError):
                raise
            except ApiError as error:
                _log.warning("cannot list", extra={"kind": watched.resource.kind, "error": str(error)})
                missing = (("", "everything"),)
            if not missing:
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, 2.0)
            if pause > 1.0 and not told:
                told = True
                _log.info(
                    "waiting for the first listing", extra={"kind": watched.resource.kind, "missing": len(missing)}
                )

    async def _listed(self, watched: Watched) -> dict[Name, str]:
        while True:
            try:
                return {name: uid async for name, uid in self._names(watched)}
            except ExpiredError:  # the list took longer than the server remembers: begin again
                continue

    async def _names(self, watched: Watched) -> AsyncIterator[tuple[Name, str]]:
        for namespace in (self._namespaces if watched.resource.namespaced else ()) or ("",):
            selection = Selection(namespace, watched.label_selector, watched.field_selector)
            async for item in self._client.list(watched.resource, selection, metadata_only=True):
                meta = item["metadata"]
                yield (meta.get("namespace", ""), meta["name"]), meta["uid"]
