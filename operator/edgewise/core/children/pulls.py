"""The DaemonSet that brings an image to nodes before pods there are replaced for it, and what it has brought where.

One for each profile and image, for as long as there are pods to replace; see core/deployment/replacing.py. Its pods do
nothing: to have started one, or to have failed to, a kubelet needs the image. They bear no profile, so they are no
runtime pods, and no Service leads to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from edgewise.api.deviceprofile import DeviceProfile
from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.names import (
    DEPLOYMENT_LABEL,
    IMAGE_ANNOTATION,
    MANAGED_BY,
    PULL_LABEL,
    PULL_ROLE,
    ROLE_LABEL,
    TEMPLATE_ANNOTATION,
    child_name,
    short_hash,
)
from edgewise.core.children import container, pods
from edgewise.core.children.meta import child, labelled
from edgewise.core.children.podinputs import PodInputs, as_of
from edgewise.core.outcome import Manifest

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def name(deployment: str, profile: str, image: str) -> str:
    # As for workloads: room for what Kubernetes appends to make a pod's name.
    return child_name(deployment, f"{PULL_ROLE}-{identity(profile, image)}", limit=52)


def daemon_set(
    deployment: EdgeDeployment, profile: DeviceProfile, made_from: PodInputs, nodes: Iterable[str]
) -> Manifest:
    """nodes: where the image shall be, by name. The affinity of the runtime's pods, who may be few of many, is no good
    for that. A pod that is there stays as it is when further nodes are named."""
    own, kind = deployment.metadata.name, profile.metadata.name
    labels = {DEPLOYMENT_LABEL: own, ROLE_LABEL: PULL_ROLE, PULL_LABEL: identity(kind, made_from.image)}
    head = child("apps/v1", "DaemonSet", "EdgeDeployment", deployment.metadata, name(own, kind, made_from.image))
    manifest = labelled(head, PULL_ROLE)
    manifest["metadata"]["annotations"] = {IMAGE_ANNOTATION: made_from.image}
    manifest["spec"] = {
        "updateStrategy": {"type": "OnDelete"},
        "revisionHistoryLimit": 0,
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {
                "labels": {
                    "app.kubernetes.io/name": "edgewise-pull",
                    "app.kubernetes.io/instance": own,
                    MANAGED_BY: "edgewise",
                    **labels,
                },
                "annotations": {TEMPLATE_ANNOTATION: identity(kind, made_from.image)},
            },
            "spec": _pod(*as_of(made_from, deployment, profile), made_from.image, nodes),
        },
    }
    return manifest


def named(affinity: Mapping[str, Any]) -> Iterator[str]:
    """Nodes that the affinity of such a DaemonSet names."""
    for term in affinity.get("nodeAffinity", {}).get(_REQUIRED, {}).get("nodeSelectorTerms", ()):
        for field in term.get("matchFields") or ():
            yield from field.get("values") or ()


def identity(profile: str, image: str) -> str:
    """Of such pods: their template's, in their annotation."""
    return short_hash(f"{profile} {image}", 8)


def _pod(deployment: EdgeDeployment, profile: DeviceProfile, image: str, nodes: Iterable[str]) -> dict[str, Any]:
    """Whatever decides who can pull it, and with what, as the runtime's pods have it."""
    asked = profile.spec.pod
    terms = [
        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]} for node in sorted(set(nodes))
    ]
    spec: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 1,
        "affinity": {"nodeAffinity": {_REQUIRED: {"nodeSelectorTerms": terms}}},
        "securityContext": container.POD_SECURITY,
        "tolerations": pods.tolerations(deployment, profile),
        "containers": [
            {
                "name": PULL_ROLE,
                "image": image,
                "imagePullPolicy": "IfNotPresent",
                "command": ["sleep", "infinity"],
                "resources": {"requests": {"cpu": "1m", "memory": "4Mi"}},
                "securityContext": container.CONTAINER_SECURITY,
            }
        ],
    }
    if asked.runtime_class_name:
        spec["runtimeClassName"] = asked.runtime_class_name
    if asked.image_pull_secrets:
        spec["imagePullSecrets"] = [secret.wire() for secret in asked.image_pull_secrets]
    return spec
