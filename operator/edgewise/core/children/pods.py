"""The runtime pod: everything a device needs to serve, and to go on serving alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgewise.api.base import ResourceRequirements
from edgewise.api.deviceprofile import DeviceProfile, HostVolume
from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.names import (
    DEPLOYMENT_LABEL,
    GRPC_PORT,
    HTTP_PORT,
    MANAGED_BY,
    METRICS_PORT,
    PROFILE_LABEL,
    REPORT_AUDIENCE,
    ROLE_LABEL,
    TEMPLATE_ANNOTATION,
    child_name,
    short_hash,
)
from edgewise.api.units import quantity
from edgewise.contract.plan import CACHE_FOLDER, PLAN_FOLDER, SECRETS_FOLDER, TOKEN_FILE
from edgewise.core.children import access
from edgewise.core.release import canonical

RUNTIME_MEMORY = 96 * 2**20
"""Bytes the runtime needs before any model is loaded: Python, ONNX Runtime, aiohttp (72-80 MiB measured), some air."""
USER = 65532
TOKEN_SECONDS = 7 * 24 * 3600
"""The kubelet renews it at 80 %; a week lets a device that was offline for days report at once."""
GRACE_SECONDS = 30
_SECRET = "secret-"  # noqa: S105  begins the names of volumes that hold a model source's Secret


@dataclass(frozen=True)
class PodInputs:
    """What a person decided about the pod.

    Its hash is the template's identity: a newer operator that renders the same inputs differently replaces no pod.
    """

    image: str
    memory: int
    """Bytes of all models of one release; 0 where a person stated the pod's memory request."""
    secrets: tuple[str, ...]
    profile: dict[str, Any]
    serving: dict[str, Any]
    tolerations: tuple[dict[str, Any], ...]

    @property
    def hash(self) -> str:
        return short_hash(canonical(asdict(self)))


def inputs(
    deployment: EdgeDeployment, profile: DeviceProfile, image: str, memory: int, secrets: Iterable[str]
) -> PodInputs:
    """memory: bytes of all models of one release. secrets: names, repeated or not, in any order."""
    serving = deployment.spec.serving
    stated = any("memory" in (asked.requests or {}) for asked in _asked(deployment, profile))
    return PodInputs(
        image=image,
        memory=0 if stated else memory,
        secrets=tuple(sorted(set(secrets))),
        profile=profile.spec.pod.wire(),
        serving={
            "resources": serving.resources.wire() if serving.resources else None,
            "hostPort": serving.host_port,
            "cache": serving.cache.limit,
            # Only where it is set: pods made before there was this field are not replaced for it.
            **({"auth": serving.auth.wire()} if serving.auth else {}),
        },
        tolerations=tuple(toleration.wire() for toleration in deployment.spec.placement.tolerations),
    )


def requested(deployment: EdgeDeployment, profile: DeviceProfile, memory: int) -> int:
    """Bytes that a pod for so many bytes of models asks its node for."""
    return int(quantity(_resources(deployment, profile, memory)["requests"]["memory"]))


def labels(deployment: str, profile: str) -> dict[str, str]:
    """What selects the pods of one deployment and profile."""
    return {DEPLOYMENT_LABEL: deployment, PROFILE_LABEL: profile}


def template(
    deployment: EdgeDeployment, profile: DeviceProfile, made_from: PodInputs, affinity: dict[str, Any]
) -> dict[str, Any]:
    """A PodTemplateSpec that passes the restricted Pod Security Standard, but for what the profile's `pod` asks for."""
    name, pod = deployment.metadata.name, profile.spec.pod
    spec: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "affinity": affinity,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
            **({"supplementalGroups": pod.supplemental_groups} if pod.supplemental_groups else {}),
        },
        "tolerations": _tolerations(deployment, profile),
        "containers": [_container(deployment, profile, made_from)],
        "volumes": [*_volumes(name, profile, made_from), *access.volumes(deployment.spec.serving.auth)],
    }
    if pod.runtime_class_name:
        spec["runtimeClassName"] = pod.runtime_class_name
    if pod.image_pull_secrets:
        spec["imagePullSecrets"] = [secret.wire() for secret in pod.image_pull_secrets]
    pod_labels = {
        "app.kubernetes.io/name": "edgewise-runtime",
        "app.kubernetes.io/instance": name,
        MANAGED_BY: "edgewise",
        ROLE_LABEL: "runtime",
        **labels(name, profile.metadata.name),
    }
    return {"metadata": {"labels": pod_labels, "annotations": {TEMPLATE_ANNOTATION: made_from.hash}}, "spec": spec}


def _tolerations(deployment: EdgeDeployment, profile: DeviceProfile) -> list[dict[str, Any]]:
    """Unreachable is a device's daily life: its pod is never evicted for it."""
    stay = [
        {"key": f"node.kubernetes.io/{problem}", "operator": "Exists", "effect": "NoExecute"}
        for problem in ("not-ready", "unreachable")
    ]
    asked = [*deployment.spec.placement.tolerations, *profile.spec.pod.tolerations]
    return stay + [toleration.wire() for toleration in asked]


def _container(deployment: EdgeDeployment, profile: DeviceProfile, made_from: PodInputs) -> dict[str, Any]:
    ports = {"http": HTTP_PORT, "grpc": GRPC_PORT, "metrics": METRICS_PORT}
    declared: list[dict[str, Any]] = [
        {"name": name, "containerPort": port, "protocol": "TCP"} for name, port in ports.items()
    ]
    if deployment.spec.serving.host_port:
        declared[0]["hostPort"] = deployment.spec.serving.host_port
    probes = access.probes(deployment)
    return {
        "name": "runtime",
        "image": made_from.image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["agent"],
        "env": _environment(deployment, profile),
        "ports": declared,
        "resources": _resources(deployment, profile, made_from.memory),
        "readinessProbe": _probe(probes.ready, probes.port, period=2, failures=2),
        "livenessProbe": _probe(probes.live, probes.port, period=10, failures=6),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [*_mounts(profile, made_from), *access.mounts(deployment.spec.serving.auth)],
    }


def _environment(deployment: EdgeDeployment, profile: DeviceProfile) -> list[dict[str, Any]]:
    downward = {"EDGEWISE_NODE_NAME": "spec.nodeName", "EDGEWISE_POD_NAME": "metadata.name"}
    return [
        *({"name": key, "valueFrom": {"fieldRef": {"fieldPath": path}}} for key, path in downward.items()),
        {"name": "EDGEWISE_PROFILE", "value": profile.metadata.name},
        *access.environment(deployment.spec.serving.auth),
        *(variable.wire() for variable in profile.spec.pod.env),
    ]


def _probe(path: str, port: int, period: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": port, "scheme": "HTTP"},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
        "successThreshold": 1,
    }


def _resources(deployment: EdgeDeployment, profile: DeviceProfile, memory: int) -> dict[str, Any]:
    """The deployment's word counts most, then the profile's, then what the models need: room for them twice, because a
    new one is loaded beside the old one."""
    requests: dict[str, Any] = {"cpu": "50m", "memory": str(RUNTIME_MEMORY + 2 * memory)}
    limits: dict[str, Any] = {}
    for asked in _asked(deployment, profile):
        requests |= asked.requests or {}
        limits |= asked.limits or {}
    # A limit below the request would be refused; an extended resource wants both alike.
    for key, value in limits.items():
        if key not in requests or quantity(requests[key]) > quantity(value):
            requests[key] = value
    return {"requests": requests, "limits": limits} if limits else {"requests": requests}


def _asked(deployment: EdgeDeployment, profile: DeviceProfile) -> list[ResourceRequirements]:
    """What people wrote, the stronger word last."""
    return [asked for asked in (profile.spec.pod.resources, deployment.spec.serving.resources) if asked is not None]


def _volumes(name: str, profile: DeviceProfile, made_from: PodInputs) -> list[dict[str, Any]]:
    token = {"audience": REPORT_AUDIENCE, "expirationSeconds": TOKEN_SECONDS, "path": TOKEN_FILE.rsplit("/", 1)[1]}
    return [
        {"name": "plan", "configMap": {"name": child_name(name, "plan"), "optional": True}},
        {"name": "token", "projected": {"sources": [{"serviceAccountToken": token}]}},
        {"name": "cache", "emptyDir": {"sizeLimit": made_from.serving["cache"]}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
        *(
            {"name": _secret_name(secret), "secret": {"secretName": secret, "optional": True}}
            for secret in made_from.secrets
        ),
        *(
            {"name": _device_name(device.path), "hostPath": {"path": device.path}}
            for device in profile.spec.pod.devices
        ),
        *({"name": _host_name(v), "hostPath": {"path": v.host_path}} for v in profile.spec.pod.volumes),
    ]


def _mounts(profile: DeviceProfile, made_from: PodInputs) -> list[dict[str, Any]]:
    return [
        {"name": "plan", "mountPath": PLAN_FOLDER, "readOnly": True},
        {"name": "token", "mountPath": TOKEN_FILE.rsplit("/", 1)[0], "readOnly": True},
        {"name": "cache", "mountPath": CACHE_FOLDER},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  the root file system is read-only
        *(
            {"name": _secret_name(secret), "mountPath": f"{SECRETS_FOLDER}/{secret}", "readOnly": True}
            for secret in made_from.secrets
        ),
        *({"name": _device_name(device.path), "mountPath": device.path} for device in profile.spec.pod.devices),
        *({"name": _host_name(v), "mountPath": v.mount_path, "readOnly": True} for v in profile.spec.pod.volumes),
    ]


def secrets_of(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """PodInputs.secrets of a pod spec that was made here."""
    volumes = (volume for volume in spec.get("volumes") or () if volume["name"].startswith(_SECRET))
    return tuple(sorted(volume["secret"]["secretName"] for volume in volumes))


def _device_name(path: str) -> str:
    return f"device-{short_hash(path, 8)}"


def _secret_name(secret: str) -> str:
    return f"{_SECRET}{short_hash(secret, 8)}"


def _host_name(volume: HostVolume) -> str:
    return child_name("host", volume.name)
