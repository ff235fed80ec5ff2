"""Children as small as they get, for decisions of a test."""

from __future__ import annotations

from edgewise.core.children.meta import child, labelled
from edgewise.core.observed import ObservedDeployment
from edgewise.core.outcome import Manifest


def config_map(observed: ObservedDeployment, name: str, **data: str) -> Manifest:
    manifest = labelled(child("v1", "ConfigMap", "EdgeDeployment", observed.deployment.metadata, name), "plan")
    return {**manifest, "data": data}


def service(observed: ObservedDeployment, name: str, port: int = 8000) -> Manifest:
    manifest = labelled(child("v1", "Service", "EdgeDeployment", observed.deployment.metadata, name), "service")
    return {
        **manifest,
        "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": port, "protocol": "TCP"}]},
    }


def daemon_set(observed: ObservedDeployment, name: str, image: str = "runtime:1") -> Manifest:
    manifest = labelled(child("apps/v1", "DaemonSet", "EdgeDeployment", observed.deployment.metadata, name), "runtime")
    pod = {"containers": [{"name": "runtime", "image": image}]}
    template = {"metadata": {"labels": {"app": name}}, "spec": pod}
    return {**manifest, "spec": {"selector": {"matchLabels": {"app": name}}, "template": template}}
