"""What every container of the runtime has, on a device and in a gateway alike: ports, probes, confinement, plan, token.

Called by the builders of pod templates: pods.py and gateway.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from edgewise.api.names import GRPC_PORT, HTTP_PORT, METRICS_PORT, REPORT_AUDIENCE, child_name, short_hash
from edgewise.contract.plan import CACHE_FOLDER, PLAN_FOLDER, SECRETS_FOLDER, TOKEN_FILE
from edgewise.core.children import secrets

USER = 65532
TOKEN_SECONDS = 7 * 24 * 3600
"""The kubelet renews it at 80 %; a week lets a device that was offline for days report at once."""
GRACE_SECONDS = 30
SECRET = "secret-"  # noqa: S105  begins the names of volumes that hold the Secret of a model source or a target

POD_SECURITY: dict[str, Any] = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "fsGroup": USER,
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def ports() -> list[dict[str, Any]]:
    """HTTP first."""
    served = {"http": HTTP_PORT, "grpc": GRPC_PORT, "metrics": METRICS_PORT}
    return [{"name": name, "containerPort": port, "protocol": "TCP"} for name, port in served.items()]


def probe(path: str, port: int, period: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": port, "scheme": "HTTP"},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
        "successThreshold": 1,
    }


def field(name: str, path: str) -> dict[str, Any]:
    """An environment variable out of the pod's own fields."""
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def volumes(deployment: str, cache: dict[str, Any], keys: Iterable[str]) -> list[dict[str, Any]]:
    """cache: a volume of that name. keys: of Secrets."""
    token = {"audience": REPORT_AUDIENCE, "expirationSeconds": TOKEN_SECONDS, "path": TOKEN_FILE.rsplit("/", 1)[1]}
    return [
        {"name": "plan", "configMap": {"name": child_name(deployment, "plan"), "optional": True}},
        {"name": "token", "projected": {"sources": [{"serviceAccountToken": token}]}},
        cache,
        {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
        *(
            secrets.volume(_volume(secret), secret, {key: key for key in its_keys})
            for secret, its_keys in secrets.grouped(keys).items()
        ),
    ]


def mounts(keys: Iterable[str]) -> list[dict[str, Any]]:
    """Of `volumes`, in its order."""
    return [
        {"name": "plan", "mountPath": PLAN_FOLDER, "readOnly": True},
        {"name": "token", "mountPath": TOKEN_FILE.rsplit("/", 1)[0], "readOnly": True},
        {"name": "cache", "mountPath": CACHE_FOLDER},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  the root file system is read-only
        *(secrets.mount(_volume(secret), f"{SECRETS_FOLDER}/{secret}") for secret in secrets.grouped(keys)),
    ]


def _volume(secret: str) -> str:
    return f"{SECRET}{short_hash(secret, 8)}"
