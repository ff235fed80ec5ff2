"""Keeps the certificate of the reports server: one of our own in a Secret, or one that somebody else keeps.

Devices trust `authority`, which reaches them in the plan. Started by the operator.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import ssl
import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Protocol
from urllib.parse import urlsplit

from edgewise.api.names import MANAGED_BY
from edgewise.cluster.client import Client
from edgewise.cluster.errors import ApiError, NotFoundError
from edgewise.cluster.resources import SECRET
from edgewise.controller import pki
from edgewise.controller.settings import OperatorSettings
from edgewise.core.observed import ObjectRef

_log = logging.getLogger(__name__)
_LOOK_AGAIN = 3600.0  # seconds; nothing here is due more often than every 60 days
_RETRY = 5.0  # seconds

Texts = dict[str, str]
"""PEM texts by the keys of the Secret: tls.crt, tls.key, ca.crt."""


class Source(Protocol):
    """Where the certificate comes from."""

    async def texts(self) -> Texts:
        """As they shall be used now. Raises ApiError."""


class OwnSecret:
    """A Secret of our own: made when it is missing, renewed when that is due."""

    def __init__(self, client: Client, secret: ObjectRef, hosts: Sequence[str]) -> None:
        self._client = client
        self._secret = secret
        self._hosts = hosts

    async def texts(self) -> Texts:
        held = await self._read()
        material = pki.renewed(pki.from_secret(held), self._hosts, datetime.now(timezone.utc))
        wanted = material.to_secret()
        if wanted != held:
            await self._client.apply(self._manifest(wanted))
            _log.info("certificate renewed", extra={"secret": self._secret.name})
        return wanted

    async def _read(self) -> Texts:
        try:
            return _decoded(await self._client.get(self._secret))
        except NotFoundError:
            return {}

    def _manifest(self, texts: Texts) -> dict[str, object]:
        return {
            "apiVersion": SECRET.api_version,
            "kind": SECRET.kind,
            "metadata": {
                "namespace": self._secret.namespace,
                "name": self._secret.name,
                "labels": {MANAGED_BY: "edgewise"},
            },
            "type": "kubernetes.io/tls",
            "data": {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()},
        }


class ForeignSecret:
    """A Secret that cert-manager, or a person, keeps. Only read."""

    def __init__(self, client: Client, secret: ObjectRef) -> None:
        self._client = client
        self._secret = secret

    async def texts(self) -> Texts:
        texts = _decoded(await self._client.get(self._secret))
        if missing := {"tls.crt", "tls.key"} - texts.keys():
            raise NotFoundError(f"Secret {self._secret.name} has no {' and no '.join(sorted(missing))}")
        return texts


class Certificates:
    """The TLS context of the reports server, kept fresh while it serves."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._loaded: Texts = {}
        self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.tls.minimum_version = ssl.TLSVersion.TLSv1_2

    @property
    def authority(self) -> str:
        """PEM bundle that devices trust; empty: what their system trusts."""
        return self._loaded.get("ca.crt", "")

    async def refresh(self) -> bool:
        """Takes over what is current; new connections use it at once. Whether the bundle is another now."""
        texts, before = await self._source.texts(), self.authority
        if texts != self._loaded:
            _load(self.tls, texts)
            self._loaded = texts
        return self.authority != before

    async def ready(self) -> None:
        """Returns when there is a certificate."""
        while True:
            try:
                await self.refresh()
                return
            except (ApiError, ssl.SSLError) as error:
                _log.warning("no certificate for the reports server yet", extra={"error": str(error)})
                await asyncio.sleep(_RETRY)

    async def keep(self, changed: Callable[[], None]) -> None:
        """Renews for ever; tells when devices must hear of another bundle."""
        while True:
            await asyncio.sleep(_LOOK_AGAIN)
            try:
                if await self.refresh():
                    changed()
            except (ApiError, ssl.SSLError) as error:
                _log.warning("certificate not refreshed", extra={"error": str(error)})


def certificates_for(settings: OperatorSettings, client: Client) -> Certificates:
    """From the Secret that the settings name, or from one of our own."""
    name = settings.certificate_secret or f"{settings.lease_name}-tls"
    secret = ObjectRef(SECRET.api_version, SECRET.kind, settings.namespace, name)
    if settings.certificate_secret:
        return Certificates(ForeignSecret(client, secret))
    return Certificates(OwnSecret(client, secret, _hosts(settings)))


def _hosts(settings: OperatorSettings) -> list[str]:
    service = f"{settings.report_service}.{settings.namespace}"
    hosts = [f"{service}.svc", f"{service}.svc.cluster.local", service]
    asked = urlsplit(settings.reports_url).hostname
    return hosts if asked is None or asked in hosts else [asked, *hosts]


def _decoded(secret: dict[str, dict[str, str]]) -> Texts:
    return {key: base64.b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}


def _load(context: ssl.SSLContext, texts: Texts) -> None:
    # The ssl module loads certificates from files only.
    with tempfile.NamedTemporaryFile() as file:
        file.write(f"{texts['tls.crt']}\n{texts['tls.key']}".encode())
        file.flush()
        context.load_cert_chain(file.name)
