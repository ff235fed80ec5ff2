"""What the environment tells the runtime. Each field says its unit, its reason and its danger; the docs quote it."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgewise.api.names import GRPC_PORT, HTTP_PORT, METRICS_PORT
from edgewise.contract import plan

PORTS = 2**16
"""How many there are. uvloop takes a higher number, and listens on another port."""


class SettingsError(ValueError):
    """An environment variable that cannot be read; the message names it."""


@dataclass(frozen=True)
class Settings:
    """`http_port` is read from EDGEWISE_HTTP_PORT, and so on."""

    host: str = ""
    """Address to listen on. Empty: all, IPv4 and IPv6, as a pod needs; `serve` on a laptop uses 127.0.0.1."""

    http_port: int = HTTP_PORT
    """Open Inference Protocol. 0: any free port."""

    grpc: bool = True
    """The same protocol over gRPC. It takes 12 MiB from its first client on, and next to nothing before; false, where a
    board cannot spare that: the port is closed."""

    grpc_port: int = GRPC_PORT
    """0: any free port."""

    metrics_port: int = METRICS_PORT
    """/metrics, /healthz and POST /poke; not for the inference network."""

    node_name: str = ""
    """From the downward API: which node this is, hence whether the plan's wave includes it."""

    pod_name: str = ""
    """From the downward API: goes into reports."""

    profile: str = ""
    """DeviceProfile this pod runs for: picks engine and variants from the plan."""

    plan_folder: str = plan.PLAN_FOLDER
    """Where the plan's ConfigMap is mounted."""

    cache_folder: str = plan.CACHE_FOLDER
    """Model files and the last good plan; what a device lives on without a network."""

    spool_room: int = 0
    """Bytes that hard examples may take in the cache folder, whatever a plan says. 0: none are kept. In a pod the
    operator sets it: its volume was made for so many."""

    token_file: str = plan.TOKEN_FILE
    """Projected service-account token for reports; renewed on disk by the kubelet, so it is read anew each time."""

    files_root: str = ""
    """What file:// sources must begin with: the folder of the node that is mounted at /mnt/edgewise/files. Empty: no
    such source is taken."""

    secrets_folder: str = plan.SECRETS_FOLDER
    """<folder>/<secret>/<key>: credentials and CAs of model sources, escalation targets and the spool's sink, and keys
    of encrypted models."""

    trust: str = ""
    """JSON, {model: {publicKeys: [{name, key}], minVersion, notAfter} or null}: who must have signed each model. Fixed
    by the operator, from spec.verification; a plan can ask for more, never for less, and for no other model. Empty: the
    plan says who must have signed what."""

    tokens_folder: str = ""
    """Clients must send a bearer token: each file is a client's name, its content the token. Empty: they need not.
    In a pod these three are fixed by the operator, from spec.serving.auth."""

    certificate_folder: str = ""
    """tls.crt and tls.key: the serving ports speak TLS only. Empty: plain text."""

    client_ca_file: str = ""
    """PEM bundle: clients must show a certificate that one of these CAs signed. Empty: they need not."""

    allow_addresses: str = ""
    """Comma-separated addresses and networks (127.0.0.1, 169.254.7.0/24) that models may come from although they are
    loopback or link-local. For laptops and tests: a plan could otherwise make a device read its own services, or its
    cloud's metadata."""

    hold_file: str = plan.HOLD_FILE
    """While this file is there, the device keeps the release it serves; its first line says why. For a robot or a line
    controller: mount the folder that it writes, in DeviceProfile.spec.pod.volumes."""

    hold_limit: float = 86_400.0
    """Seconds a hold counts at most, from the file's date on: one that was forgotten must not keep a device on an old
    release for ever. Touch the file to renew it."""

    max_body: int = 64 * 2**20
    """Bytes of one request, after decompression."""

    max_memory: int = 128 * 2**20
    """Bytes that all requests together may hold while they arrive, wait and run; beyond that they get 429. Counted as
    they arrive. Should be at least EDGEWISE_MAX_BODY."""

    max_connections: int = 1024
    """Clients of HTTP, and clients of gRPC, connected at the same time. One more, and the connection that has been idle
    longest is closed."""

    max_json: int = 16 * 2**20
    """Bytes of a request's JSON part. Python's numbers take ten times their text: larger tensors must be binary."""

    body_timeout: float = 30.0
    """Seconds a request's body may take to arrive; also the longest wait for the first request of a connection."""

    workers: int = 0
    """Models run at the same time, at most. 0: one per usable core; one model as often as was measured to pay."""

    max_queue: int = plan.PlanServing().max_queue
    """Requests that may wait for a worker until a plan says otherwise; the next one gets 429."""

    tuning: float = 2.0
    """Seconds that the first load of a release may take to find out how its models run best on this device; what was
    found is kept in the cache folder. 0: nothing is tried, engines take a thread for each core."""

    grace: float = 25.0
    """Seconds from SIGTERM until connections are cut. Below terminationGracePeriodSeconds (30), which kills."""

    quiet: float = 5.0
    """Seconds without a request after which a draining pod believes that it is forgotten: Services learn of it late,
    and its successor needs a few seconds to start."""

    log_level: str = "INFO"
    """DEBUG, INFO, WARNING or ERROR."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Unset and empty variables take the default. SettingsError names the one that cannot be read."""
        environment = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        for field in dataclasses.fields(cls):
            text = environment.get(f"EDGEWISE_{field.name.upper()}", "")
            if text:
                values[field.name] = _parse(field.name, text, type(field.default))
        return cls(**values)


def _parse(name: str, text: str, kind: type[Any]) -> str | int | float:
    if kind is str:
        return text
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise SettingsError(f"EDGEWISE_{name.upper()}={text!r}: true or false is needed")
        return text.lower() == "true"
    try:
        number: int | float = kind(text)
    except ValueError:
        number = -1
    port = name.endswith("_port")
    if not 0 <= number < (PORTS if port else math.inf):
        needed = f"{'a whole' if kind is int else 'a'} number from 0 {f'to {PORTS - 1}' if port else 'up'}"
        raise SettingsError(f"EDGEWISE_{name.upper()}={text!r}: {needed} is needed")
    return number
