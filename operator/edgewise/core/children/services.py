"""The two addresses of a deployment: `<name>` for the cluster, `<name>-local` for clients on the same node."""

from __future__ import annotations

from typing import Any

from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.names import (
    DEPLOYMENT_LABEL,
    GATEWAY_ROLE,
    GRPC_PORT,
    HTTP_PORT,
    ROLE_LABEL,
    RUNTIME_ROLE,
)
from edgewise.core.children.meta import child, labelled
from edgewise.core.outcome import Manifest


def local_name(deployment: str) -> str:
    return f"{deployment}-local"


def cluster_service(deployment: EdgeDeployment, gateway: bool = False) -> Manifest:
    """Every ready device; or every ready pod of the gateway, while that stands in for them."""
    spec: dict[str, Any] = {}
    if deployment.spec.serving.traffic_distribution:
        spec["trafficDistribution"] = deployment.spec.serving.traffic_distribution
    role = GATEWAY_ROLE if gateway else RUNTIME_ROLE
    return _service(deployment, deployment.metadata.name, role, spec)


def local_service(deployment: EdgeDeployment, moving: bool = False) -> Manifest:
    """The pod on the caller's node; also when it is not ready, which a device is for seconds after its link heals.

    moving: nodes have two pods for a while, one that ends and one that starts. Then the one that is ready is meant: the
    new one, or until it is, by the rule for Services without any ready pod, the one that ends.
    """
    return _service(
        deployment,
        local_name(deployment.metadata.name),
        RUNTIME_ROLE,
        {"internalTrafficPolicy": "Local", "publishNotReadyAddresses": not moving},
    )


def _service(deployment: EdgeDeployment, name: str, role: str, spec: dict[str, Any]) -> Manifest:
    manifest = labelled(child("v1", "Service", "EdgeDeployment", deployment.metadata, name), "service")
    ports = {"http": HTTP_PORT, "grpc": GRPC_PORT}
    manifest["spec"] = {
        "type": "ClusterIP",
        "selector": {DEPLOYMENT_LABEL: deployment.metadata.name, ROLE_LABEL: role},
        "ports": [{"name": door, "port": port, "targetPort": port, "protocol": "TCP"} for door, port in ports.items()],
        **spec,
    }
    return manifest
