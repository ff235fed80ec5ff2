"""Decisions of a few lines, and children as small as they get."""

from __future__ import annotations

from edgewise.core.children.meta import child, labelled
from edgewise.core.observed import ObservedDeployment
from edgewise.core.outcome import Manifest, Plan

SERVING = {
    "type": "Ready",
    "status": "True",
    "reason": "Serving",
    "message": "",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}


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


def three_children(observed: ObservedDeployment, _: float) -> Plan:
    made = (
        config_map(observed, "digits-plan", plan="1"),
        service(observed, "digits"),
        daemon_set(observed, "digits-generic"),
    )
    return Plan(apply=made, status={"url": "http://digits", "conditions": [SERVING]})
