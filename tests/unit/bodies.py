"""Bodies as the API server sends them, with what a test does not care about filled in."""

from typing import Any

from edgewise.api.names import DEPLOYMENT_LABEL, PROFILE_LABEL
from tests.cases.manifests import SMALL_DEPLOYMENT, SMALL_MODEL, SMALL_PROFILE

Body = dict[str, Any]


def meta(name: str, namespace: str = "edge", version: int = 1, uid: str = "", **more: Any) -> Body:
    place = {"namespace": namespace} if namespace else {}
    return {"name": name, **place, "uid": uid or f"uid-{name}", "resourceVersion": str(version), **more}


def deployment(name: str = "digits", version: int = 1, generation: int = 1, uid: str = "", **more: Any) -> Body:
    """An EdgeDeployment of the EdgeModel `digits`."""
    return {**SMALL_DEPLOYMENT, "metadata": meta(name, version=version, uid=uid, generation=generation), **more}


def model(name: str = "digits", version: int = 1) -> Body:
    return {**SMALL_MODEL, "metadata": meta(name, version=version, generation=1)}


def profile(name: str = "generic-arm64", version: int = 1, **more: Any) -> Body:
    return {**SMALL_PROFILE, "metadata": meta(name, "", version, generation=version), **more}


def node(name: str = "pi-1", version: int = 1, ready: str = "True", **labels: str) -> Body:
    status = {"conditions": [{"type": "Ready", "status": ready}], "allocatable": {"memory": "4Gi"}}
    return {"apiVersion": "v1", "kind": "Node", "metadata": meta(name, "", version, labels=labels), "status": status}


def pod(name: str = "digits-abcde", of: str = "digits", version: int = 1, **status: Any) -> Body:
    labels = {DEPLOYMENT_LABEL: of, PROFILE_LABEL: "generic-arm64"}
    created = {"creationTimestamp": "2026-01-01T10:00:00Z"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta(name, version=version, labels=labels, **created),
        "spec": {"nodeName": "pi-1"},
        "status": status,
    }


def daemon_set(name: str = "digits-generic-arm64", version: int = 1, generation: int = 1, **more: Any) -> Body:
    """Owned by the EdgeDeployment `digits`."""
    labels = {PROFILE_LABEL: "generic-arm64"}
    spec = {"template": {"spec": {"containers": [{"name": "runtime", "image": "runtime:1"}]}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": meta(name, version=version, generation=generation, labels=labels, ownerReferences=owned("digits")),
        "spec": spec,
        **more,
    }


def service(name: str = "digits", version: int = 1, **spec: Any) -> Body:
    """Owned by the EdgeDeployment `digits`."""
    meta_ = meta(name, version=version, ownerReferences=owned("digits"))
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta_, "spec": spec}


def refusal(workload: str, at: str, kind: str = "DaemonSet", version: int = 1) -> Body:
    """A FailedCreate event."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": meta(f"{workload}.{version}", version=version),
        "involvedObject": {"kind": kind, "namespace": "edge", "name": workload},
        "reason": "FailedCreate",
        "message": "Error creating: forbidden: exceeded quota",
        "lastTimestamp": at,
    }


def owned(by: str, kind: str = "EdgeDeployment") -> list[Body]:
    return [{"apiVersion": "edgewise.dev/v1alpha1", "kind": kind, "name": by, "uid": f"uid-{by}", "controller": True}]
