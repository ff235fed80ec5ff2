"""Writes the status of our kinds: only where it differs, and at most once a second unless a condition flips."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

from edgewise.cluster.client import Client
from edgewise.cluster.errors import ConflictError, NotFoundError
from edgewise.controller.routing import Seen
from edgewise.controller.subject import Subject

PAUSE = 1.0
"""Seconds between two writes to one object; what changes meanwhile goes into the next one."""

SOON = 0.1
"""Seconds until the next look when the object changed while we looked: its event is on the way."""


class StatusWriter:
    """Remembers what it wrote, because others may add conditions of their own, which is no difference."""

    def __init__(self, client: Client, seen: Seen, clock: Callable[[], float] = monotonic) -> None:
        self._client = client
        self._seen = seen
        self._clock = clock
        self._written: dict[str, tuple[str, float]] = {}  # uid -> (status as text, when)

    async def write(self, subject: Subject, status: Mapping[str, Any]) -> float | None:
        """None when the status is as wanted now, else the seconds after which to try again."""
        ref, wanted = subject.record.ref, _canonical(status)
        text, at = self._written.get(ref.uid, ("", float("-inf")))
        if _canonical(subject.status) == wanted or (text == wanted and covers(subject.status, status)):
            return None
        wait = at + PAUSE - self._clock()
        if wait > 0 and not _flips(subject, status):
            return wait
        body = {
            "apiVersion": ref.api_version,
            "kind": ref.kind,
            # Said of exactly what was looked at: not of a newer spec, nor of a successor that has the same name.
            "metadata": {
                "name": ref.name,
                "resourceVersion": ref.resource_version,
                **({"namespace": ref.namespace} if ref.namespace else {}),
            },
            "status": status,
        }
        try:
            self._seen(await self._client.apply_status(body))
        except NotFoundError:
            return None  # deleted meanwhile; the watch will say so
        except ConflictError:
            return SOON
        self._written[ref.uid] = (wanted, self._clock())
        return None

    def forget(self, uid: str) -> None:
        self._written.pop(uid, None)


def covers(observed: Any, wanted: Any) -> bool:
    """Whether everything wanted is there, whatever else is. Lists are sets here: no status list has an order."""
    if isinstance(wanted, Mapping):
        return isinstance(observed, Mapping) and all(covers(observed.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(observed, list) and all(any(covers(item, value) for item in observed) for value in wanted)
    return bool(observed == wanted)


def _canonical(value: Any) -> str:
    return json.dumps(_sorted(value), sort_keys=True)


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sorted(member) for key, member in value.items()}
    if isinstance(value, list):
        return sorted((_sorted(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return value


def _flips(subject: Subject, status: Mapping[str, Any]) -> bool:
    before = {condition.type: condition.status for condition in subject.conditions}
    return before != {condition["type"]: condition["status"] for condition in status.get("conditions", ())}
