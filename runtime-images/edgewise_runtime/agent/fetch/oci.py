"""Models in OCI registries: `oci://host[:port]/repository:tag` or `…@sha256:digest`, and `#title` to tell files apart.

The distribution protocol is two GETs and a token; the file itself then comes over the same transfer as any other.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from yarl import URL

from edgewise.api.edgemodel import Source
from edgewise.api.names import Reason
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.fetch.web import Request, Web, authorized, check, shown
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
_DIGEST = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-fA-F0-9]{32,128}")
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
        if _DIGEST.fullmatch(digest) is None:
            raise Failure(Reason.SOURCE_REFUSED, f"{reference} holds a file without a digest; push it anew")
        if digest.startswith("sha256:") and digest != f"sha256:{source.sha256}":
            message = f"{reference} holds {digest}, source.sha256 says {source.sha256}; repair the tag or the EdgeModel"
            raise Failure(Reason.HASH_MISMATCH, message)
        return Request(base / "blobs" / digest, private=authorized(authorization))

    async def _manifest(self, base: URL, reference: Reference) -> tuple[dict[str, Any], str]:
        """The manifest, and the authorization that opened it."""
        url, accept = base / "manifests" / reference.version, {"Accept": _MANIFESTS}
        authorization = ""
        answer = await self.web.read(Request(url, accept), MANIFEST_BYTES)
        if answer.status == 401 and answer.url.origin() == base.origin():
            authorization = await self._authorize(answer.headers.get("WWW-Authenticate", ""), base)
            answer = await self.web.read(Request(url, accept, authorized(authorization)), MANIFEST_BYTES)
        check(answer.url, answer.status)
        if ":" in reference.version and reference.version != f"sha256:{hashlib.sha256(answer.body).hexdigest()}":
            raise Failure(Reason.HASH_MISMATCH, f"{reference}: the registry answers another manifest")
        return _document(answer.body, str(reference)), authorization

    async def _authorize(self, challenge: str, base: URL) -> str:
        """Answer a 401 as the registry asks: with the password itself, or with a token bought for it."""
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "basic" or self.credentials.token:
            return self.credentials.header()
        parameters = dict(_PARAMETER.findall(rest))
        realm = _realm(parameters.pop("realm", ""), base)
        if scheme.lower() != "bearer" or realm.scheme not in ("http", "https"):
            raise Failure(
                Reason.SOURCE_REFUSED, f"{base.host} asks for an authentication that is not supported: {scheme}"
            )
        if base.scheme == "https" and realm.scheme != "https":
            raise Failure(Reason.SOURCE_REFUSED, f"{base.host} wants the password sent without TLS to {realm.host}")
        return f"Bearer {await self._token(realm, base, parameters)}"

    async def _token(self, realm: URL, base: URL, parameters: Mapping[str, str]) -> str:
        """Bought with the password; from a server of somebody else only what it gives to anybody."""
        asked = {key: parameters[key] for key in ("service", "scope") if key in parameters}
        known = self.credentials.basic() if same_site(str(realm.host), str(base.host)) else ""
        answer = await self.web.read(Request(realm.update_query(asked), private=authorized(known)), TOKEN_BYTES)
        if answer.status in (401, 403) and self.credentials.basic() and not known:
            raise Failure(
                Reason.SOURCE_REFUSED,
                f"{base.host} wants a token bought at {shown(realm)}, not one of its own; passwords are not sent there",
            )
        check(realm, answer.status)
        token = _document(answer.body, str(realm.host))
        bought = Credentials(token=str(token.get("token") or token.get("access_token") or ""))
        if not bought.sendable:
            raise Failure(Reason.SOURCE_REFUSED, f"{realm.host} gives a token that no header can carry")
        return bought.token


def _realm(text: str, base: URL) -> URL:
    try:
        return URL(text)
    except ValueError as error:
        raise Failure(Reason.SOURCE_REFUSED, f"{base.host} asks for a token from something that is no URL") from error


def same_site(one: str, other: str) -> bool:
    """Whether it is the same host, or one of the same owner as far as names tell, as auth.docker.io and
    registry-1.docker.io are. A registry that means ill asks for the password itself; this is for deceived ones."""
    if one == other:
        return True
    if _is_address(one) or _is_address(other):
        return False
    labels = other.split(".")
    owner = ".".join(labels[1:] if len(labels) > 2 else labels)
    return "." in owner and (one == owner or one.endswith(f".{owner}"))


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _document(body: bytes, where: str) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Failure(Reason.SOURCE_REFUSED, f"{where} answers something that is not JSON") from error
    if not isinstance(document, dict):
        raise Failure(Reason.SOURCE_REFUSED, f"{where} answers JSON that is no object")
    return document


def _title(layer: Mapping[str, Any]) -> str:
    annotations = layer.get("annotations")
    return str(annotations.get(TITLE, "")) if isinstance(annotations, dict) else ""


def _layer(manifest: Mapping[str, Any], reference: Reference) -> Mapping[str, Any]:
    """The single layer, or the one whose title the uri names."""
    if "manifests" in manifest:
        message = f"{reference} is an index of several images; name one of them by its digest"
        raise Failure(Reason.SOURCE_REFUSED, message)
    found = manifest.get("layers")
    layers = [layer for layer in found if isinstance(layer, dict)] if isinstance(found, list) else []
    if not reference.title and len(layers) == 1:
        return layers[0]
    titles = {_title(layer): layer for layer in layers}
    if reference.title in titles:
        return titles[reference.title]
    message = (
        f"{reference} has {len(layers)} files ({', '.join(sorted(titles)) or 'none'}); name one as #title in source.uri"
    )
    raise Failure(Reason.SOURCE_REFUSED, message)
