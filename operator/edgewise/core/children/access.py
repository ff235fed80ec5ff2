"""What serving.auth makes of a runtime pod: which Secrets it mounts, what it is told to demand, where it is probed.

All of it is the pod's, none the plan's: whoever may edit the plan's ConfigMap cannot open a door with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from edgewise.api.access import Auth
from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.names import HTTP_PORT, METRICS_PORT
from edgewise.contract.report import Demand
from edgewise.core.children import secrets

FOLDER = "/etc/edgewise/access"
_CERTIFICATE = {key: key for key in secrets.CERTIFICATE}
_CA = "ca.crt"


@dataclass(frozen=True)
class _Part:
    """One Secret of serving.auth."""

    name: str
    secret: str
    demand: Demand
    variable: str
    """The runtime's setting that names it."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """{key: file} of those that are mounted; empty: all."""
    file: str = ""
    """Of the setting; empty: the folder."""

    @property
    def folder(self) -> str:
        """Under the Secret's name, so that a device that misses a file says in which Secret."""
        return f"{FOLDER}/{self.name}/{self.secret}"


def _parts(auth: Auth | None) -> Iterator[_Part]:
    if auth is None:
        return
    if auth.token_secret_ref is not None:
        yield _Part("tokens", auth.token_secret_ref.name, "Token", "EDGEWISE_TOKENS_FOLDER")
    if auth.certificate_secret_ref is not None:
        name = auth.certificate_secret_ref.name
        yield _Part("certificate", name, "Certificate", "EDGEWISE_CERTIFICATE_FOLDER", _CERTIFICATE)
    if auth.client_ca_secret_ref is not None:  # of its keys no other: one may be the CA's own
        name, keys = auth.client_ca_secret_ref.name, {auth.client_ca_secret_ref.key: _CA}
        yield _Part("client-ca", name, "ClientCertificate", "EDGEWISE_CLIENT_CA_FILE", keys, _CA)


def demanded(auth: Auth | None) -> list[Demand]:
    """As the devices report it."""
    return [part.demand for part in _parts(auth)]


def environment(auth: Auth | None) -> list[dict[str, Any]]:
    return [
        {"name": part.variable, "value": f"{part.folder}/{part.file}" if part.file else part.folder}
        for part in _parts(auth)
    ]


def mounts(auth: Auth | None) -> list[dict[str, Any]]:
    return [secrets.mount(f"access-{part.name}", part.folder) for part in _parts(auth)]


def volumes(auth: Auth | None) -> list[dict[str, Any]]:
    """A pod whose Secret is missing starts, fetches its models, and admits nobody yet."""
    return [secrets.volume(f"access-{part.name}", part.secret, part.keys) for part in _parts(auth)]


def scheme(deployment: EdgeDeployment) -> str:
    """Of the deployment's addresses."""
    auth = deployment.spec.serving.auth
    return "https" if auth is not None and auth.certificate_secret_ref is not None else "http"


@dataclass(frozen=True)
class Probes:
    """Where the kubelet asks."""

    ready: str
    live: str
    port: int


def probes(deployment: EdgeDeployment) -> Probes:
    """With TLS on the metrics port: the kubelet has no client certificate, and a device that waits for a certificate
    of its own must not be restarted for it."""
    if scheme(deployment) == "https":
        return Probes("/readyz", "/healthz", METRICS_PORT)
    return Probes("/v2/health/ready", "/v2/health/live", HTTP_PORT)
