"""Models in OCI registries: `oci://host[:port]/repository:tag` or `…@sha256:digest`, and `#title` to tell files apart.

The distribution protocol is two GETs and a token; the file itself then comes over the same transfer as any other.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from yarl import URL

from edgewise.api.edgemodel import Source
from edgewise.api.names import Reason
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.fetch.web import Request, Web, check
from edgewise_runtime.credentials import Credentials

MANIFEST_BYTES = 4 * 2**20  # the distribution specification asks clients and registries to take manifests of 4 MiB
TOKEN_BYTES = 2**18
TITLE = "org.opencontainers.image.title"
_MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.oci.image.index.v1+json",  # taken only to say what is wrong with it
    )
)
_REFERENCE = re.compile(
    r"oci://(?P<host>[^/@?#]+)/(?P<repository>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
    r"(?:@(?P<digest>sha256:[a-f0-9]{64})|:(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:#(?P<title>.+))?"
)
_PARAMETER = re.compile(r'([a-zA-Z]+)="([^"]*)"')


@dataclass(frozen=True)
class Reference:
    """A parsed uri."""

    host: str
    repository: str
    version: str
    """Tag or digest."""
    title: str

    @classmethod
    def parse(cls, uri: str) -> Reference:
        """Failure on what is no reference to an artifact."""
        match = _REFERENCE.fullmatch(uri)
        if match is None:
            message = f"{uri} is no oci reference; write oci://host[:port]/repository:tag or …@sha256:digest"
            raise Failure(Reason.SOURCE_REFUSED, message)
        version = match["digest"] or match["tag"] or "latest"
        return cls(match["host"], match["repository"], version, match["title"] or "")

    def __str__(self) -> str:
        separator = "@" if ":" in self.version else ":"
        return f"oci://{self.host}/{self.repository}{separator}{self.version}"


@dataclass(frozen=True)
class Registry:
    """One registry as seen through one try."""

    web: Web
    credentials: Credentials

    async def blob(self, uri: str, source: Source) -> Request:
        """The GET that returns the file. Failure where the artifact cannot be what the EdgeModel describes."""
        reference = Reference.parse(uri)
        base = URL(f"{'http' if source.plain_http else 'https'}://{reference.host}/v2/{reference.repository}/")
        manifest, authorization = await self._manifest(base, reference)
        layer = _layer(manifest, reference)
        digest = str(layer.get("digest", ""))
        if digest.startswith("sha256:") and digest != f"sha256:{source.sha256}":
            message = f"{reference} holds {digest}, source.sha256 says {source.sha256}; repair the tag or the EdgeModel"
            raise Failure(Reason.HASH_MISMATCH, message)
        return Request(base / "blobs" / digest, authorization=authorization)

    async def _manifest(self, base: URL, reference: Reference) -> tuple[dict[str, Any], str]:
        """The manifest, and the authorization that opened it."""
        url, accept = base / "manifests" / reference.version, {"Accept": _MANIFESTS}
        authorization = ""
        status, headers, body = await self.web.read(Request(url, accept), MANIFEST_BYTES)
        if status == 401:
            authorization = await self._authorize(headers.get("WWW-Authenticate", ""), base)
            status, headers, body = await self.web.read(Request(url, accept, authorization), MANIFEST_BYTES)
        check(url, status)
        if ":" in reference.version and reference.version != f"sha256:{hashlib.sha256(body).hexdigest()}":
            raise Failure(Reason.HASH_MISMATCH, f"{reference}: the registry answers another manifest")
        return _document(body, str(reference)), authorization

    async def _authorize(self, challenge: str, base: URL) -> str:
        """Answer a 401 as the registry asks: with the password itself, or with a token bought for it."""
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "basic" or self.credentials.token:
            return self.credentials.header()
        parameters = dict(_PARAMETER.findall(rest))
        realm = URL(parameters.pop("realm", ""))
        if scheme.lower() != "bearer" or realm.scheme not in ("http", "https"):
            raise Failure(
                Reason.SOURCE_REFUSED, f"{base.host} asks for an authentication that is not supported: {scheme}"
            )
        if base.scheme == "https" and realm.scheme != "https":
            raise Failure(Reason.SOURCE_REFUSED, f"{base.host} wants the password sent without TLS to {realm.host}")
        asked = {key: parameters[key] for key in ("service", "scope") if key in parameters}
        request = Request(realm.update_query(asked), authorization=self.credentials.basic())
        status, _, body = await self.web.read(request, TOKEN_BYTES)
        check(realm, status)
        answer = _document(body, str(realm.host))
        return f"Bearer {answer.get('token') or answer.get('access_token') or ''}"


def _document(body: bytes, where: str) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError as error:
        raise Failure(Reason.SOURCE_REFUSED, f"{where} answers something that is not JSON") from error
    if not isinstance(document, dict):
        raise Failure(Reason.SOURCE_REFUSED, f"{where} answers JSON that is no object")
    return document


def _layer(manifest: Mapping[str, Any], reference: Reference) -> Mapping[str, Any]:
    """The single layer, or the one whose title the uri names."""
    if "manifests" in manifest:
        message = f"{reference} is an index of several images; name one of them by its digest"
        raise Failure(Reason.SOURCE_REFUSED, message)
    layers = [layer for layer in manifest.get("layers") or () if isinstance(layer, dict)]
    if not reference.title and len(layers) == 1:
        return layers[0]
    titles = {str((layer.get("annotations") or {}).get(TITLE, "")): layer for layer in layers}
    if reference.title in titles:
        return titles[reference.title]
    message = (
        f"{reference} has {len(layers)} files ({', '.join(sorted(titles)) or 'none'}); name one as #title in source.uri"
    )
    raise Failure(Reason.SOURCE_REFUSED, message)
