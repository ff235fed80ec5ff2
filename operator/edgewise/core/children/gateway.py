"""The gateway of a deployment: a Deployment of the runtime without a model, which hands requests to the targets.

It is always there, so that in an outage nothing has to be pulled, scheduled or started: only the Service moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from edgewise.api.edgedeployment import EdgeDeployment, Placement
from edgewise.api.gateway import Gateway
from edgewise.api.names import (
    DEPLOYMENT_LABEL,
    GATEWAY_ROLE,
    GAVE_BACK_ANNOTATION,
    MANAGED_BY,
    ROLE_LABEL,
    child_name,
    profile_label,
)
from edgewise.core.children import access, container, storage
from edgewise.core.children.meta import child, labelled
from edgewise.core.outcome import Manifest

CPU, MEMORY = "50m", "96Mi"
"""Requests of a gateway: Python, aiohttp and numpy without an engine take 72 MiB (measured), requests some more."""
CACHE = "16Mi"
"""The plan on disk; there are no models."""
_ELSEWHERE = [
    # Kubernetes' own 300 seconds are too long for what stands in: a pod on a dead node is made anew on another.
    {"key": f"node.kubernetes.io/{problem}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}
    for problem in ("not-ready", "unreachable")
]


@dataclass(frozen=True)
class Post:
    """What the gateway's pods are made from, beside the spec."""

    image: str
    profiles: tuple[str, ...]
    """DeviceProfiles in use, one at least: their nodes are devices."""
    keys: tuple[str, ...] = ()
    """Of Secrets that targets need, as secrets.py writes them."""
    pull_secrets: tuple[str, ...] = ()
    gave_back_at: str = ""
    """When devices last took the Service over. A new moment replaces the pods, as `kubectl rollout restart` does: those
    who kept connections to them open are sent to the devices by the old pods' draining."""


def wished(deployment: EdgeDeployment) -> Gateway | None:
    """The gateway that the spec asks for; None: it wants none, or nothing may leave, or not for want of a model."""
    allowed = deployment.spec.help
    if allowed is None or not allowed.when.unavailable:
        return None
    gateway = allowed.gateway or Gateway()
    return gateway if gateway.enabled else None


def name(deployment: str) -> str:
    # As for workloads: room for what Kubernetes appends to make a pod's name.
    return child_name(deployment, GATEWAY_ROLE, limit=52)


def labels(deployment: str) -> dict[str, str]:
    """What selects its pods."""
    return {DEPLOYMENT_LABEL: deployment, ROLE_LABEL: GATEWAY_ROLE}


def workload(deployment: EdgeDeployment, gateway: Gateway, post: Post) -> Manifest:
    """One pod more before one less: there is a ready one all the time."""
    manifest = labelled(
        child("apps/v1", "Deployment", "EdgeDeployment", deployment.metadata, name(deployment.metadata.name)),
        GATEWAY_ROLE,
    )
    manifest["spec"] = {
        "replicas": gateway.replicas,
        "revisionHistoryLimit": 2,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "selector": {"matchLabels": labels(deployment.metadata.name)},
        "template": _template(deployment, gateway, post),
    }
    return manifest


def _template(deployment: EdgeDeployment, gateway: Gateway, post: Post) -> Manifest:
    own, auth = deployment.metadata.name, deployment.spec.serving.auth
    pod_labels = {
        "app.kubernetes.io/name": "edgewise-runtime",
        "app.kubernetes.io/instance": own,
        MANAGED_BY: "edgewise",
        **labels(own),
    }
    spec: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": container.GRACE_SECONDS,
        "securityContext": container.POD_SECURITY,
        "tolerations": [*_ELSEWHERE, *(toleration.wire() for toleration in gateway.tolerations)],
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": labels(own)},
            }
        ],
        **_where(deployment.spec.placement, gateway, post.profiles),
        "containers": [_container(deployment, gateway, post)],
        "volumes": [*container.volumes(own, storage.cache_volume({}, CACHE), post.keys), *access.volumes(auth)],
    }
    if post.pull_secrets:
        spec["imagePullSecrets"] = [{"name": secret} for secret in post.pull_secrets]
    annotations = {GAVE_BACK_ANNOTATION: post.gave_back_at} if post.gave_back_at else {}
    return {"metadata": {"labels": pod_labels, **({"annotations": annotations} if annotations else {})}, "spec": spec}


def _container(deployment: EdgeDeployment, gateway: Gateway, post: Post) -> dict[str, Any]:
    auth, probes = deployment.spec.serving.auth, access.probes(deployment)
    return {
        "name": GATEWAY_ROLE,
        "image": post.image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["gateway"],
        "env": [
            container.field("EDGEWISE_NODE_NAME", "spec.nodeName"),
            container.field("EDGEWISE_POD_NAME", "metadata.name"),
            *access.environment(auth),
        ],
        "ports": container.ports(),
        "resources": _resources(gateway),
        "readinessProbe": container.probe(probes.ready, probes.port, period=2, failures=2),
        "livenessProbe": container.probe(probes.live, probes.port, period=10, failures=6),
        "securityContext": container.CONTAINER_SECURITY,
        "volumeMounts": [*container.mounts(post.keys), *access.mounts(auth)],
    }


def _resources(gateway: Gateway) -> dict[str, Any]:
    asked = gateway.resources.wire() if gateway.resources else {}
    limits = asked.get("limits", {})
    # A limit below the request would be refused.
    usual = {key: limits.get(key, value) for key, value in (("cpu", CPU), ("memory", MEMORY))}
    return {**asked, "requests": {**usual, **asked.get("requests", {})}}


def _where(placement: Placement, gateway: Gateway, profiles: Iterable[str]) -> dict[str, Any]:
    """By the user's own word, or anywhere but on a device: no label that the placement selects by, or no profile."""
    if gateway.node_selector:
        return {"nodeSelector": gateway.node_selector}
    unselected = [
        [{"key": key, "operator": "NotIn", "values": [value]}] for key, value in sorted(placement.node_selector.items())
    ]
    unfit = [{"key": profile_label(profile), "operator": "DoesNotExist"} for profile in sorted(profiles)]
    terms = [{"matchExpressions": expressions} for expressions in (*unselected, unfit)]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    return {"affinity": {"nodeAffinity": required}}


def may_hold(node_labels: Mapping[str, str], placement: Placement, gateway: Gateway, profiles: Iterable[str]) -> bool:
    """Whether a node with these labels is one that `_where` lets it go to."""
    if gateway.node_selector:
        return all(node_labels.get(key) == value for key, value in gateway.node_selector.items())
    selected = all(node_labels.get(key) == value for key, value in placement.node_selector.items())
    return not selected or not any(profile_label(profile) in node_labels for profile in profiles)
