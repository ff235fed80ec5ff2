"""Applies children: the full intent by server-side apply, skipped where neither intent nor child moved since last time.

So a reconcile that changes nothing makes no API call, and a child that somebody edited is put back.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Hashable
from typing import NamedTuple

from edgewise.api.names import GROUP, Reason, short_hash
from edgewise.cluster.client import Client
from edgewise.cluster.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError, RefusedError
from edgewise.cluster.projections import Owner, Record, project
from edgewise.cluster.resources import reference, resource_of
from edgewise.cluster.store import Store
from edgewise.controller.routing import Seen
from edgewise.core.observed import ObjectRef
from edgewise.core.outcome import Finding, Manifest


class ChildRefusedError(Exception):
    """A child cannot be made until a person acts. `finding` is for the owner's status."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(f"{finding.reason}: {finding.message}")
        self.finding = finding


class _Applied(NamedTuple):
    intent: str
    digest: Hashable


class Children:
    """Remembers, per owner, what it applied and what came of it."""

    def __init__(self, client: Client, store: Store, seen: Seen) -> None:
        self._client = client
        self._store = store
        self._seen = seen
        self._applied: defaultdict[str, dict[ObjectRef, _Applied]] = defaultdict(dict)

    async def apply(self, owner: ObjectRef, manifest: Manifest) -> None:
        """Makes one child as intended. Raises ChildRefusedError, or ApiError where trying again may help."""
        child, intent = reference(manifest), short_hash(json.dumps(manifest, sort_keys=True), 32)
        known = self._store.shelf(resource_of(child.api_version, child.kind)).get(child.namespace, child.name)
        if known is not None and self._applied[owner.uid].get(child) == (intent, known.digest):
            return
        found = known or await self._unlisted(child)
        _check_owner(child, owner, found)
        try:
            body = await (self._client.apply(manifest) if found is None else self._put_back(manifest))
        except (InvalidError, ForbiddenError) as error:
            raise ChildRefusedError(_refusal(child, error)) from error
        self._seen(body)
        self._applied[owner.uid][child] = _Applied(intent, project(body).digest)

    def forget(self, owner_uid: str) -> None:
        self._applied.pop(owner_uid, None)

    async def _put_back(self, manifest: Manifest) -> Manifest:
        """Applies over what is there, replacing lists first where an item that somebody added contradicts ours.

        Apply takes back nothing that it did not give: two ports of the name `http` are refused, not repaired.
        """
        try:
            return await self._client.apply(manifest)
        except InvalidError:
            lists: Manifest = {part: manifest[part] for part in ("spec", "data") if part in manifest}
            await self._client.merge(reference(manifest), lists)
            return await self._client.apply(manifest)

    async def _unlisted(self, child: ObjectRef) -> Record | None:
        """An object of that name that does not carry our label, and so is not in the store."""
        try:
            return project(await self._client.get(child))
        except NotFoundError:
            return None


def _check_owner(child: ObjectRef, owner: ObjectRef, found: Record | None) -> None:
    """Force is for our own children only: an object of somebody else is never taken over."""
    if found is None or (found.owner is not None and found.owner.uid == owner.uid):
        return
    if found.owner is not None and (found.owner.kind, found.owner.name) == (owner.kind, owner.name):
        raise ConflictError(f"{child.kind} {child.name} still belongs to a deleted {owner.kind} of this name")
    message = (
        f"{child.kind} {child.namespace}/{child.name} exists already and belongs to {_whose(found.owner)}; "
        f"delete it, or give the {owner.kind} another name"
    )
    raise ChildRefusedError(Finding(Reason.NAME_CONFLICT, message))


def _whose(owner: Owner | None) -> str:
    return f"{owner.kind} {owner.name}" if owner is not None else f"nobody of {GROUP}"


def _refusal(child: ObjectRef, error: RefusedError) -> Finding:
    reason = Reason.INVALID_SPEC if isinstance(error, InvalidError) else Reason.NOT_ALLOWED
    return Finding(reason, f"the API server refuses {child.kind} {child.name}: {error}")
