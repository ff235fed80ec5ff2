"""Posts Kubernetes events about our kinds, where a decision asked for one: on flips, never on every look."""

from __future__ import annotations

import logging
import uuid
from datetime import datetime, timezone

from edgewise.cluster.client import Client
from edgewise.cluster.errors import ApiError
from edgewise.core.observed import ObjectRef
from edgewise.core.outcome import Event

_log = logging.getLogger(__name__)
_CONTROLLER = "edgewise.dev/operator"
_LONGEST = 1024  # bytes, by the API


class Recorder:
    """An event that cannot be posted is logged and lost: it is news, not state."""

    def __init__(self, client: Client, identity: str) -> None:
        self._client = client
        self._identity = identity

    async def post(self, about: ObjectRef, event: Event) -> None:
        """Events about cluster-scoped objects go to the namespace default, as everywhere."""
        namespace = about.namespace or "default"
        body = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"namespace": namespace, "name": f"{about.name}.{uuid.uuid4().hex[:16]}"},
            "eventTime": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": _CONTROLLER,
            "reportingInstance": self._identity[:128],
            "action": "Reconcile",
            "type": event.type,
            "reason": event.reason,
            "note": event.message.encode()[:_LONGEST].decode(errors="ignore"),
            "regarding": {
                "apiVersion": about.api_version,
                "kind": about.kind,
                "name": about.name,
                "uid": about.uid,
                **({"namespace": about.namespace} if about.namespace else {}),
            },
        }
        try:
            await self._client.create(body)
        except ApiError as error:
            _log.warning("event not posted", extra={"object": about.name, "reason": event.reason, "error": str(error)})
