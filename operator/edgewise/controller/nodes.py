"""Keeps the labels of nodes that are ours, of profiles and of holds: of the whole node object, they are all that
edgewise writes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from edgewise.api.names import HOLD_PREFIX, PROFILE_PREFIX
from edgewise.cluster.errors import ConflictError, NotFoundError
from edgewise.cluster.resources import NODE, reference
from edgewise.controller.gather import Gatherer
from edgewise.controller.keys import Key
from edgewise.controller.reconciler import Effects
from edgewise.core.observed import ObjectRef, ObservedNode
from edgewise.core.outcome import Manifest, NodeLabels

Decide = Callable[[ObservedNode, float], NodeLabels]


class NodeReconciler:
    """Remembers since when a node does not match: not worth a write, as a restart only begins the grace anew."""

    def __init__(
        self, effects: Effects, gatherer: Gatherer, decide: Decide, clock: Callable[[], float] = time.time
    ) -> None:
        self._client = effects.client
        self._store = effects.store
        self._seen = effects.seen
        self._gatherer = gatherer
        self._decide = decide
        self._clock = clock
        self._unmatched: dict[str, Mapping[str, float]] = {}

    async def __call__(self, key: Key) -> float | None:
        """Seconds after which to look again, or None."""
        observed = self._gatherer.node(key, self._unmatched.get(key.name, {}))
        record = self._store.shelf(NODE).get("", key.name)
        if observed is None or record is None:
            self._unmatched.pop(key.name, None)
            return None
        outcome = self._decide(observed, self._clock())
        self._unmatched[key.name] = outcome.unmatched_since
        if outcome.changed:
            await self._label(record.ref, outcome.labels)
        return outcome.requeue_after

    async def _label(self, node: ObjectRef, labels: Mapping[str, str]) -> None:
        # With the uid, because without it an apply would bring a deleted node back as a ghost.
        metadata = {"name": node.name, "uid": node.uid, "labels": dict(labels)}
        try:
            body = await self._client.apply({"apiVersion": NODE.api_version, "kind": NODE.kind, "metadata": metadata})
            self._seen(await self._without_strays(body, labels))
        except (NotFoundError, ConflictError):
            return  # deleted, or made anew: the watch will say so

    async def _without_strays(self, body: Manifest, labels: Mapping[str, str]) -> Manifest:
        """Apply takes back only what it gave: a label of ours that somebody else set goes by name."""
        present = body["metadata"].get("labels") or {}
        ours = (PROFILE_PREFIX, HOLD_PREFIX)
        strays = {key: None for key in present if key.startswith(ours) and key not in labels}
        if not strays:
            return body
        return await self._client.merge(reference(body), {"metadata": {"labels": strays}})
