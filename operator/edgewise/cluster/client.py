"""A thin client of the API server: the few verbs edgewise needs, typed errors, patience where the server asks for it.

Called by everything in cluster/ and controller/ that reads or writes; nothing else opens a request to the API server.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from edgewise.api.names import FIELD_MANAGER
from edgewise.cluster.errors import ApiError, UnavailableError, error_of
from edgewise.cluster.resources import Resource, reference, resource_of
from edgewise.core.observed import ObjectRef
from edgewise.core.outcome import Manifest

_JSON = "application/json"
_APPLY = "application/apply-patch+yaml"  # JSON is valid YAML
_MERGE = "application/merge-patch+json"
_METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_ANY_JSON = "application/json, application/jwk-set+json"  # plain JSON alone gets 406 for the key set
_PAGE = 500  # objects a page, as kubectl does
_TIMEOUT = aiohttp.ClientTimeout(total=30)
_PATIENCE = 4  # how often a request is repeated because the server asked us to wait (429)
_LONGEST_WAIT = 30.0  # seconds; a server that asks for more is called unavailable


@dataclass(frozen=True)
class Selection:
    """Which objects of a kind: everywhere when all is empty."""

    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""

    def query(self) -> dict[str, str]:
        selectors = {"labelSelector": self.label_selector, "fieldSelector": self.field_selector}
        return {key: value for key, value in selectors.items() if value}


EVERYTHING = Selection()


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    query: Mapping[str, str]
    body: Any = None
    content_type: str = _JSON
    accept: str = _JSON


class Client:
    """Speaks to one API server. Every method raises `ApiError`; which one is in cluster/errors.py."""

    def __init__(self, session: aiohttp.ClientSession, server: str) -> None:
        self._session = session
        self._server = server

    async def get(self, ref: ObjectRef) -> Manifest:
        """One object as it is now."""
        return await self._send(_Request("GET", _path(ref), {}))

    async def list(
        self, resource: Resource, selection: Selection = EVERYTHING, metadata_only: bool = False
    ) -> AsyncIterator[Manifest]:
        """Objects page by page, without holding more than one page; `metadata_only` spares the bodies."""
        query = {"limit": str(_PAGE), **selection.query()}
        accept = _METADATA_ONLY if metadata_only else _JSON
        path = resource.path(selection.namespace)
        while True:
            page = await self._send(_Request("GET", path, query, accept=accept))
            for item in page.get("items") or ():  # an empty metadata list has null here
                yield {**item, "apiVersion": resource.api_version, "kind": resource.kind}  # lists leave these out
            if not (follows := page["metadata"].get("continue")):
                return
            query["continue"] = follows

    async def apply(self, manifest: Manifest, manager: str = FIELD_MANAGER, force: bool = True) -> Manifest:
        """Server-side apply of our full intent. Not forced: ConflictError where somebody else set a field otherwise."""
        query = {"fieldManager": manager, "force": "true" if force else "false"}
        return await self._send(_Request("PATCH", _path(reference(manifest)), query, manifest, _APPLY))

    async def apply_status(self, manifest: Manifest) -> Manifest:
        """Server-side apply of a whole status: members that went are taken back, conditions of others are left alone.

        A merge patch could do neither: it keeps what is not mentioned, and replaces the list of conditions as a whole.
        The server heeds metadata.resourceVersion as a precondition here, and ignores metadata.uid.
        """
        path = _path(reference(manifest), "status")
        return await self._send(
            _Request("PATCH", path, {"fieldManager": FIELD_MANAGER, "force": "true"}, manifest, _APPLY)
        )

    async def merge(self, ref: ObjectRef, patch: Manifest) -> Manifest:
        """Merge patch; with the ref's uid and resourceVersion, where it has them, as preconditions."""
        known = {"uid": ref.uid, "resourceVersion": ref.resource_version}
        metadata = {**patch.get("metadata", {}), **{key: value for key, value in known.items() if value}}
        body = {**patch, "metadata": metadata}
        return await self._send(_Request("PATCH", _path(ref), {"fieldManager": FIELD_MANAGER}, body, _MERGE))

    async def create(self, manifest: Manifest) -> Manifest:
        """A new object. ConflictError when the name is taken."""
        resource = resource_of(manifest["apiVersion"], manifest["kind"])
        path = resource.path(manifest["metadata"].get("namespace", ""))
        return await self._send(_Request("POST", path, {"fieldManager": FIELD_MANAGER}, manifest))

    async def delete(self, ref: ObjectRef) -> None:
        """Deletes exactly this object: ConflictError when its uid or resourceVersion (where given) is another now."""
        conditions = {"uid": ref.uid, "resourceVersion": ref.resource_version}
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {key: value for key, value in conditions.items() if value},
        }
        await self._send(_Request("DELETE", _path(ref), {}, body))

    async def document(self, path: str) -> Manifest:
        """A JSON document that is no object, such as /openid/v1/jwks."""
        return await self._send(_Request("GET", path, {}, accept=_ANY_JSON))

    async def _send(self, request: _Request) -> Manifest:
        for _ in range(_PATIENCE):
            status, headers, text = await self._exchange(request)
            if status < 400:
                answer: Manifest = json.loads(text)
                return answer
            wait = _asked_to_wait(status, headers)
            if wait is None:
                break
            await asyncio.sleep(wait)
        raise _failure(request, status, text)

    async def _exchange(self, request: _Request) -> tuple[int, Mapping[str, str], str]:
        try:
            async with self._session.request(
                request.method,
                self._server + request.path,
                params=request.query,
                data=None if request.body is None else json.dumps(request.body),
                headers={"Content-Type": request.content_type, "Accept": request.accept},
                timeout=_TIMEOUT,
            ) as response:
                return response.status, response.headers, await response.text()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            text = f"{request.method} {request.path}: the API server does not answer: {error!r}"
            raise UnavailableError(text) from error


def _path(ref: ObjectRef, subresource: str = "") -> str:
    return resource_of(ref.api_version, ref.kind).path(ref.namespace, ref.name, subresource)


def _asked_to_wait(status: int, headers: Mapping[str, str]) -> float | None:
    """Seconds, when the server named a time that we are ready to wait."""
    asked = headers.get("Retry-After", "")
    if status != 429 or not asked.isdecimal() or float(asked) > _LONGEST_WAIT:
        return None
    return max(float(asked), 0.1)


def _failure(request: _Request, status: int, text: str) -> ApiError:
    try:
        answer = json.loads(text)
    except ValueError:
        answer = {}
    known = answer if isinstance(answer, dict) else {}
    return error_of(status, {"message": f"{request.method} {request.path}: HTTP {status} {text[:200]}", **known})
