"""What we know of the cluster: one record per watched object, fed by watch events and by the answers to our own writes.

Filled by routing and by whoever writes, read by gather. Objects are told apart by (namespace, name); an event that is
older than what is known (our own write was answered first) changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping
from typing import Any

from edgewise.cluster.projections import Record, project
from edgewise.cluster.resources import WATCHED, Resource

Name = tuple[str, str]
"""(namespace, name); namespace is empty for cluster-scoped kinds."""


class Shelf:
    """The records of one kind."""

    def __init__(self) -> None:
        self._records: dict[Name, Record] = {}
        self._groups: defaultdict[Hashable, dict[Name, Record]] = defaultdict(dict)

    def get(self, namespace: str, name: str) -> Record | None:
        return self._records.get((namespace, name))

    def all(self) -> list[Record]:
        """Sorted by name, so that equal worlds give equal decisions."""
        return _sorted(self._records)

    def group(self, group: Hashable) -> list[Record]:
        """The records of one group (see Record.group), sorted by name."""
        return _sorted(self._groups.get(group, {}))

    def names(self) -> Mapping[Name, str]:
        """Name -> uid of all there is."""
        return {name: record.ref.uid for name, record in self._records.items()}

    def put(self, record: Record) -> bool:
        """Whether this is news to any decision."""
        name = (record.ref.namespace, record.ref.name)
        known = self._records.get(name)
        if known is not None and known.ref.uid == record.ref.uid and _version(known) > _version(record):
            return False
        self._forget(name)
        self._records[name] = self._groups[record.group][name] = record
        return known is None or known.digest != record.digest

    def remove(self, name: Name, uid: str) -> Record | None:
        """The record that was there, unless a successor with another uid already is."""
        known = self._records.get(name)
        return self._forget(name) if known is not None and known.ref.uid == uid else None

    def _forget(self, name: Name) -> Record | None:
        known = self._records.pop(name, None)
        if known is not None:
            group = self._groups[known.group]
            group.pop(name, None)
            if not group:
                del self._groups[known.group]
        return known

    def __len__(self) -> int:
        return len(self._records)


class Store:
    """A shelf for every watched kind."""

    def __init__(self) -> None:
        self._shelves = {watched.resource.kind: Shelf() for watched in WATCHED}
        self.complete = False
        """Every kind has been listed once: what is not here does not exist. Set by the census."""

    def shelf(self, resource: Resource) -> Shelf:
        return self._shelves[resource.kind]

    def put(self, body: Mapping[str, Any]) -> Record | None:
        """The new record when it is news; None when nothing changed that a decision could see."""
        record = project(body)
        return record if self._shelves[body["kind"]].put(record) else None

    def remove(self, body: Mapping[str, Any]) -> Record | None:
        """The record that is gone, if it was known."""
        meta = body["metadata"]
        return self._shelves[body["kind"]].remove((meta.get("namespace", ""), meta["name"]), meta.get("uid", ""))


def _sorted(records: Mapping[Name, Record]) -> list[Record]:
    return [records[name] for name in sorted(records)]


def _version(record: Record) -> int:
    # Comparable as numbers within one kind: what every Kubernetes release does, and documents since 1.35.
    return int(record.ref.resource_version) if record.ref.resource_version.isdecimal() else 0
