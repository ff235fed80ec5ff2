"""The runtime pod: everything a device needs to serve, and to go on serving alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from edgewise.api.base import ResourceRequirements
from edgewise.api.deviceprofile import DeviceProfile, HostVolume
from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.escalation import Spool
from edgewise.api.names import (
    DEPLOYMENT_LABEL,
    MANAGED_BY,
    PROFILE_LABEL,
    ROLE_LABEL,
    RUNTIME_ROLE,
    TEMPLATE_ANNOTATION,
    child_name,
    short_hash,
)
from edgewise.api.units import quantity
from edgewise.contract.trust import Policies
from edgewise.core.children import access, container, storage, trust
from edgewise.core.children.podinputs import PodInputs, as_of
from edgewise.core.children.storage import Storage

RUNTIME_MEMORY = 96 * 2**20
"""Bytes the runtime needs before any model is loaded: Python, ONNX Runtime, aiohttp (72-80 MiB measured), some air."""


def inputs(
    deployment: EdgeDeployment, profile: DeviceProfile, image: str, memory: int, secrets: Iterable[str]
) -> PodInputs:
    """memory: bytes of all models of one release. secrets: keys of them, repeated or not, in any order."""
    serving, spool = deployment.spec.serving, spooled(deployment)
    stated = any("memory" in (asked.requests or {}) for asked in _asked(deployment, profile))
    return PodInputs(
        image=image,
        memory=0 if stated else _twice(deployment, memory),
        secrets=tuple(sorted(set(secrets))),
        profile=profile.spec.pod.wire(),
        serving={
            "resources": serving.resources.wire() if serving.resources else None,
            "hostPort": serving.host_port,
            "cache": serving.cache.limit,
            # Only where they are set: pods made before there were these fields are not replaced for them.
            **({"auth": serving.auth.wire()} if serving.auth else {}),
            **({"spool": spool.max_bytes} if spool else {}),
        },
        tolerations=tuple(toleration.wire() for toleration in deployment.spec.placement.tolerations),
    )


def demanding(made_from: PodInputs, demands: Policies) -> PodInputs:
    """The same for models that must be signed; as it was where none must."""
    if not demands:
        return made_from
    return replace(made_from, serving={**made_from.serving, "trust": trust.wire(demands)})


def with_storage(made_from: PodInputs, has: Storage) -> PodInputs:
    """The same with these disks; as it was where there are none."""
    disks = has.wire()
    return replace(made_from, serving={**made_from.serving, "storage": disks}) if disks else made_from


def spooled(deployment: EdgeDeployment) -> Spool | None:
    """What devices keep of hard requests, and shall send; None: nothing may leave them, or nobody wants it."""
    return deployment.spec.help.spool if deployment.spec.help else None


def requested(deployment: EdgeDeployment, profile: DeviceProfile, memory: int) -> int:
    """Bytes that a pod for so many bytes of models asks its node for."""
    return int(quantity(_resources(deployment, profile, _twice(deployment, memory))["requests"]["memory"]))


def _twice(deployment: EdgeDeployment, memory: int) -> int:
    """Half of what models take at most: all of a release, because a new one is loaded beside the old one, or half of it
    where the old one goes first. So a pod that had room for both keeps it, and one that has not is replaced, when that
    is decided anew."""
    return -(-memory // 2) if deployment.spec.serving.switch == "InPlace" else memory


def labels(deployment: str, profile: str) -> dict[str, str]:
    """What selects the pods of one deployment and profile."""
    return {DEPLOYMENT_LABEL: deployment, PROFILE_LABEL: profile}


def template(
    deployment: EdgeDeployment, profile: DeviceProfile, made_from: PodInputs, affinity: dict[str, Any]
) -> dict[str, Any]:
    """A PodTemplateSpec that passes the restricted Pod Security Standard, but for what the profile's `pod` asks for."""
    deployment, profile = as_of(made_from, deployment, profile)
    name, pod = deployment.metadata.name, profile.spec.pod
    spec: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": container.GRACE_SECONDS,
        "affinity": affinity,
        "securityContext": {
            **container.POD_SECURITY,
            **({"supplementalGroups": pod.supplemental_groups} if pod.supplemental_groups else {}),
        },
        "tolerations": tolerations(deployment, profile),
        "containers": [_container(deployment, profile, made_from)],
        "volumes": [*_volumes(name, profile, made_from), *access.volumes(deployment.spec.serving.auth)],
    }
    if before := storage.preparation(_storage(made_from), made_from.image):
        spec["initContainers"] = before
    if pod.runtime_class_name:
        spec["runtimeClassName"] = pod.runtime_class_name
    if pod.image_pull_secrets:
        spec["imagePullSecrets"] = [secret.wire() for secret in pod.image_pull_secrets]
    pod_labels = {
        "app.kubernetes.io/name": "edgewise-runtime",
        "app.kubernetes.io/instance": name,
        MANAGED_BY: "edgewise",
        ROLE_LABEL: RUNTIME_ROLE,
        **labels(name, profile.metadata.name),
    }
    return {"metadata": {"labels": pod_labels, "annotations": {TEMPLATE_ANNOTATION: made_from.hash}}, "spec": spec}


def tolerations(deployment: EdgeDeployment, profile: DeviceProfile) -> list[dict[str, Any]]:
    """Unreachable is a device's daily life: its pod is never evicted for it."""
    stay = [
        {"key": f"node.kubernetes.io/{problem}", "operator": "Exists", "effect": "NoExecute"}
        for problem in ("not-ready", "unreachable")
    ]
    asked = [*deployment.spec.placement.tolerations, *profile.spec.pod.tolerations]
    return stay + [toleration.wire() for toleration in asked]


def _container(deployment: EdgeDeployment, profile: DeviceProfile, made_from: PodInputs) -> dict[str, Any]:
    declared = container.ports()
    if deployment.spec.serving.host_port:
        declared[0]["hostPort"] = deployment.spec.serving.host_port
    probes = access.probes(deployment)
    return {
        "name": "runtime",
        "image": made_from.image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["agent"],
        "env": _environment(deployment, profile, made_from),
        "ports": declared,
        "resources": _resources(deployment, profile, made_from.memory),
        "readinessProbe": container.probe(probes.ready, probes.port, period=2, failures=2),
        "livenessProbe": container.probe(probes.live, probes.port, period=10, failures=6),
        "securityContext": container.CONTAINER_SECURITY,
        "volumeMounts": [*_mounts(profile, made_from), *access.mounts(deployment.spec.serving.auth)],
    }


def _environment(deployment: EdgeDeployment, profile: DeviceProfile, made_from: PodInputs) -> list[dict[str, Any]]:
    return [
        container.field("EDGEWISE_NODE_NAME", "spec.nodeName"),
        container.field("EDGEWISE_POD_NAME", "metadata.name"),
        {"name": "EDGEWISE_PROFILE", "value": profile.metadata.name},
        *access.environment(deployment.spec.serving.auth),
        *trust.environment(made_from.serving.get("trust", {})),
        *storage.environment(_storage(made_from)),
        *_spool_room(made_from),
        *(variable.wire() for variable in profile.spec.pod.env),
    ]


def _resources(deployment: EdgeDeployment, profile: DeviceProfile, memory: int) -> dict[str, Any]:
    """The deployment's word counts most, then the profile's, then what the models need: room for `memory` twice."""
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
    pod = profile.spec.pod
    return [
        *container.volumes(name, storage.cache_volume(_storage(made_from), _disk(made_from)), made_from.secrets),
        *storage.volumes(_storage(made_from)),
        *({"name": _device_name(device.path), "hostPath": {"path": device.path}} for device in pod.devices),
        *({"name": _host_name(v), "hostPath": {"path": v.host_path}} for v in pod.volumes),
    ]


def _mounts(profile: DeviceProfile, made_from: PodInputs) -> list[dict[str, Any]]:
    pod = profile.spec.pod
    return [
        *container.mounts(made_from.secrets),
        *storage.mounts(_storage(made_from)),
        *({"name": _device_name(device.path), "mountPath": device.path} for device in pod.devices),
        *({"name": _host_name(v), "mountPath": v.mount_path, "readOnly": True} for v in pod.volumes),
    ]


def _spool_room(made_from: PodInputs) -> list[dict[str, Any]]:
    """The volume's room for it comes with the pod: an older pod that follows a newer plan must not outgrow its own."""
    room = made_from.serving.get("spool")
    return [{"name": "EDGEWISE_SPOOL_ROOM", "value": str(int(quantity(room)))}] if room else []


def _storage(made_from: PodInputs) -> dict[str, Any]:
    """As Storage.wire says it."""
    return dict(made_from.serving.get("storage", {}))


def _disk(made_from: PodInputs) -> str:
    """Size of the cache's volume, in which the spool lies, too: a pod that outgrows it is evicted."""
    cache, spool = made_from.serving["cache"], made_from.serving.get("spool")
    return str(cache) if spool is None else str(int(quantity(cache) + quantity(spool)))


def secrets_of(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """PodInputs.secrets of a pod spec that was made here."""
    mounted = (one["secret"] for one in spec.get("volumes") or () if one["name"].startswith(container.SECRET))
    return tuple(sorted(f"{one['secretName']}/{item['key']}" for one in mounted for item in one.get("items") or ()))


def _device_name(path: str) -> str:
    return f"device-{short_hash(path, 8)}"


def _host_name(volume: HostVolume) -> str:
    return child_name("host", volume.name)
