"""What deployments want done about holds of nodes, and since when the holds that there are have been known.

Asked by the reconciler after each look at a deployment; read by gather, for the look at the node that writes them and
for the next one at the deployment. In memory: every look says all of it again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from edgewise.api.names import hold_label
from edgewise.controller.keys import Key
from edgewise.controller.queue import WorkQueue
from edgewise.core.observed import Node


class Holds:
    """Of all deployments, by their uid."""

    def __init__(self, queue: WorkQueue[Key], clock: Callable[[], float] = time.time) -> None:
        self._queue = queue
        self._clock = clock
        self._asked: dict[str, Mapping[str, str]] = {}
        self._since: dict[str, dict[str, tuple[str, float]]] = {}

    def ask(self, uid: str, wanted: Mapping[str, str]) -> None:
        """All that the deployment wants of nodes now: {node: profile to hold it on; empty: take the hold away}."""
        if not wanted:
            self._asked.pop(uid, None)
            return
        self._asked[uid] = dict(wanted)
        for node in wanted:
            self._queue.add(Key("Node", "", node))

    def asked(self, node: str) -> dict[str, str]:
        """Deployment uid -> what it wants of the node."""
        return {uid: wanted[node] for uid, wanted in self._asked.items() if node in wanted}

    def since(self, uid: str, nodes: tuple[Node, ...]) -> Mapping[str, float]:
        """Node -> when the hold it has now for this deployment was first seen, seconds since the epoch."""
        key, before = hold_label(uid), self._since.get(uid, {})
        now = {node.name: node.labels[key] for node in nodes if key in node.labels}
        fresh = {name: (held, self._clock()) for name, held in now.items() if before.get(name, ("", 0.0))[0] != held}
        known = {name: before[name] for name in now.keys() - fresh.keys()} | fresh
        if known:
            self._since[uid] = known
        else:
            self._since.pop(uid, None)
        return {name: at for name, (_, at) in known.items()}

    def forget(self, uid: str) -> None:
        """The deployment is gone."""
        self._asked.pop(uid, None)
        self._since.pop(uid, None)
