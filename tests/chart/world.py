"""A small world for an operator to work in: what the tests look at in an API server, and what they put there."""

from __future__ import annotations

from typing import Any

from tests.cluster.apiserver import ApiServer
from tests.cluster.client import ApiError

_KINDS = "/apis/edgewise.dev/v1alpha1"
MODELS = f"{_KINDS}/namespaces/default/edgemodels"
DEPLOYMENTS = f"{_KINDS}/namespaces/default/edgedeployments"
PROFILES = f"{_KINDS}/deviceprofiles"
_APPS, _CORE = "/apis/apps/v1/namespaces/default", "/api/v1/namespaces/default"
DAEMON_SETS, REPLICATED, REVISIONS = (
    f"{_APPS}/{kind}" for kind in ("daemonsets", "deployments", "controllerrevisions")
)
PODS, SERVICES, CONFIG_MAPS = (f"{_CORE}/{kind}" for kind in ("pods", "services", "configmaps"))
NODE = "/api/v1/nodes/device"

MODEL: dict[str, Any] = {
    "apiVersion": "edgewise.dev/v1alpha1",
    "kind": "EdgeModel",
    "metadata": {"name": "digits"},
    "spec": {
        "version": "1.0.0",
        "task": "Classification",
        "revisionHistoryLimit": 1,
        "variants": [
            {
                "name": "fp32",
                "format": "ONNX",
                "precision": "FP32",
                "memory": "1Mi",
                "source": {"uri": "https://example.com/digits.onnx", "sha256": "a" * 64, "size": 1024},
            }
        ],
    },
}
DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "edgewise.dev/v1alpha1",
    "kind": "EdgeDeployment",
    "metadata": {"name": "digits"},
    "spec": {"models": [{"name": "digits"}]},
}


def exists(api: ApiServer, path: str) -> bool:
    try:
        api.client.get(path)
    except ApiError as error:
        if error.status != 404:
            raise
        return False
    return True


def names(api: ApiServer, path: str) -> list[str]:
    """Names of the objects in a collection."""
    return sorted(item["metadata"]["name"] for item in api.client.get(path)["items"])


def condition(api: ApiServer, path: str, kind: str) -> str:
    """Status of a condition of the object at `path`; empty before there is one."""
    conditions = api.client.get(path).get("status", {}).get("conditions", [])
    return next((found["status"] for found in conditions if found["type"] == kind), "")


def metadata(api: ApiServer, path: str) -> dict[str, Any]:
    found: dict[str, Any] = api.client.get(path)["metadata"]
    return found
