"""What the administrator decides: one field each, with what it means. Read by main from flags and environment.

Every field is a flag (`--lease-name`) and an environment variable (`EDGEWISE_LEASE_NAME`); the flag wins. Lists are
separated by commas, maps are `key=value` separated by commas.
"""

from __future__ import annotations

import argparse
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from typing import Any

from edgewise.api.names import REPORT_PORT


@dataclass(frozen=True)
class OperatorSettings:
    """All settings of the operator process."""

    namespace: str = ""
    """The operator's own namespace: its Lease and its certificate live there. Empty: that of its service account."""

    identity: str = field(default_factory=socket.gethostname)
    """Who holds the Lease; unique among operator processes. Default: the host name, in a pod the pod's name."""

    lease_name: str = "edgewise-operator"
    """The Lease that only one operator process holds at a time."""

    watch_namespaces: tuple[str, ...] = ()
    """Serve EdgeModels and EdgeDeployments of these namespaces only. Empty: all, which needs cluster-wide rights."""

    images: Mapping[str, str] = field(default_factory=dict)
    """Runtime image per flavour (cpu, openvino, coral, jetson-6, jetson-7) that the administrator chose. A change
    replaces pods on devices, in a rollout."""

    default_images: Mapping[str, str] = field(default_factory=dict)
    """The same for flavours nobody chose; used by new workloads only, so that an upgrade restarts no device pod."""

    allowed_images: tuple[str, ...] = ()
    """Prefixes that `serving.image` of an EdgeDeployment must have. Empty: any image. Images of DeviceProfiles are not
    looked at: whoever may write those is an administrator."""

    cache_root: str = ""
    """Folder of the nodes for `serving.cache.type: HostPath`: caches are <cache_root>/<namespace>/<name>. Empty: that
    type is not allowed."""

    file_root: str = ""
    """Folder of the nodes for file:// sources: a namespace's models are <file_root>/<namespace>/…, mounted read only.
    Empty: no such source is allowed."""

    label_grace: float = 300.0
    """Seconds a profile label stays on a node that no longer matches: a Coral that re-enumerates moves nothing."""

    catalogue: bool = True
    """Apply the packaged DeviceProfiles at start. Edits of yours are kept; a profile you delete comes back."""

    reports_port: int = REPORT_PORT
    """TCP port (TLS) on which devices report."""

    report_connections: int = 256
    """Connections (TLS, 290 KiB each) on which devices may be reporting at the same time. More wait for a moment."""

    report_service: str = "edgewise-operator"
    """Service in the operator's namespace through which devices reach `reports_port`."""

    report_url: str = ""
    """Where devices report, when it is not that Service: an address they reach over a VPN, say. Empty: the Service."""

    certificate_secret: str = ""
    """A Secret of type kubernetes.io/tls with tls.crt, tls.key and ca.crt, such as cert-manager keeps. Empty: the
    operator makes and renews a certificate of its own, in the Secret `<lease_name>-tls`."""

    prometheus_url: str = ""
    """Where the queries of rollouts (`rollout.gates.query`) are asked, as https://prometheus.example:9090. Whoever may
    write EdgeDeployments may then ask it anything. Empty: nowhere, and such rollouts do not begin."""

    prometheus_credentials: str = ""
    """Folder with what that takes: `token` (bearer) and `ca.crt`, each where it is needed; read again when they change.
    Empty: neither."""

    metrics_port: int = 8080
    """TCP port of /metrics, /healthz and /readyz."""

    workers: int = 4
    """Objects looked at at the same time. They wait for the API server, not for the CPU."""

    census_interval: float = 600.0
    """Seconds between two comparisons of what the operator knows with what the cluster has, by names only."""

    log_level: str = "INFO"
    """DEBUG, INFO, WARNING or ERROR."""

    @property
    def reports_url(self) -> str:
        """Where devices are told to report."""
        return self.report_url or f"https://{self.report_service}.{self.namespace}.svc:{self.reports_port}/v1/report"


def read(arguments: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ) -> OperatorSettings:
    """From flags and environment; a wrong value ends the program with a message that names it."""
    parser = argparse.ArgumentParser("edgewise-operator", description="The edgewise operator.")
    for entry in fields(OperatorSettings):
        variable = f"EDGEWISE_{entry.name.upper()}"
        parser.add_argument(_flag(entry), metavar="VALUE", default=environment.get(variable), help=f"or {variable}")
    given = vars(parser.parse_args(arguments))
    values: dict[str, Any] = {}
    for entry in fields(OperatorSettings):
        if (text := given[entry.name]) not in (None, ""):
            try:
                values[entry.name] = _PARSERS[str(entry.type)](text)
            except ValueError as error:
                parser.error(f"{_flag(entry)}: {error}")
    return OperatorSettings(**values)


def _flag(entry: Field[Any]) -> str:
    return f"--{entry.name.replace('_', '-')}"


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text.lower() == "true"


def _strings(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _map(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in _strings(text)]
    if wrong := [key for key, equals, value in pairs if not (equals and key and value)]:
        raise ValueError(f"{wrong[0]!r} is not key=value")
    return {key.strip(): value.strip() for key, _, value in pairs}


_PARSERS: Mapping[str, Callable[[str], Any]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": _boolean,
    "tuple[str, ...]": _strings,
    "Mapping[str, str]": _map,
}
