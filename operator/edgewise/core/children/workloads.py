"""The DaemonSet (or, in Replicas mode, the Deployment) of one deployment and profile."""

from __future__ import annotations

from typing import Any

from edgewise.api.deviceprofile import DeviceProfile
from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.names import MEMORY_ANNOTATION, PROFILE_LABEL, PROVEN_ANNOTATION, TEMPLATE_ANNOTATION, child_name
from edgewise.core.children import podinputs, pods
from edgewise.core.children.meta import child, labelled
from edgewise.core.children.podinputs import PodInputs
from edgewise.core.outcome import Manifest


def name(deployment: str, profile: str) -> str:
    # A pod's name is its host name, 63 characters at most: this leaves room for what Kubernetes appends.
    return child_name(deployment, profile, limit=52)


def daemon_set(
    deployment: EdgeDeployment,
    profile: DeviceProfile,
    made_from: PodInputs,
    affinity: dict[str, Any],
    proven: PodInputs,
) -> Manifest:
    """OnDelete: the operator says when a changed template reaches a device, and an offline one cannot hold it up.

    proven: what the last good template was made from, to go back to.
    """
    manifest = _workload("DaemonSet", deployment, profile, made_from)
    manifest["metadata"]["annotations"][PROVEN_ANNOTATION] = podinputs.written(proven)
    manifest["spec"] = {
        "updateStrategy": {"type": "OnDelete"},
        "revisionHistoryLimit": 2,
        "selector": {"matchLabels": pods.labels(deployment.metadata.name, profile.metadata.name)},
        "template": pods.template(deployment, profile, made_from, affinity),
    }
    return manifest


def replicated(
    deployment: EdgeDeployment,
    profile: DeviceProfile,
    made_from: PodInputs,
    affinity: dict[str, Any],
    replicas: int,
) -> Manifest:
    """Replicas mode: Kubernetes replaces pods by itself, one more before one less; one less before one more where they
    share a claim, which only one node may have at a time."""
    manifest = _workload("Deployment", deployment, profile, made_from)
    manifest["spec"] = {
        "replicas": replicas,
        "revisionHistoryLimit": 2,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": _pace(made_from)},
        "selector": {"matchLabels": pods.labels(deployment.metadata.name, profile.metadata.name)},
        "template": pods.template(deployment, profile, made_from, affinity),
    }
    return manifest


def _pace(made_from: PodInputs) -> dict[str, int]:
    shared = "claim" in made_from.serving.get("storage", {})
    return {"maxSurge": 0, "maxUnavailable": 1} if shared else {"maxSurge": 1, "maxUnavailable": 0}


def _workload(kind: str, deployment: EdgeDeployment, profile: DeviceProfile, made_from: PodInputs) -> Manifest:
    owner, own_name = deployment.metadata, name(deployment.metadata.name, profile.metadata.name)
    manifest = child("apps/v1", kind, "EdgeDeployment", owner, own_name)
    manifest = labelled(manifest, "runtime", **{PROFILE_LABEL: profile.metadata.name})
    manifest["metadata"]["annotations"] = {
        TEMPLATE_ANNOTATION: made_from.hash,
        MEMORY_ANNOTATION: str(made_from.memory),
    }
    return manifest
