"""Things a decision looks at, with defaults, so that a test case says only what it is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from edgewise.api.deviceprofile import DeviceProfile
from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.edgemodel import EdgeModel
from edgewise.api.names import DEVICE_LABEL, short_hash
from edgewise.contract.plan import DeploymentRef
from edgewise.contract.report import AccessReport, ModelReport, Report, State
from edgewise.core import release
from edgewise.core.children import revisions
from edgewise.core.observed import (
    Node,
    ObjectRef,
    ObservedDeployment,
    Pod,
    ReceivedReport,
    Settings,
    Snapshot,
    Workload,
)
from edgewise.core.release import Release

NOW = 1_700_000_000.0
NAMESPACE = "edge"
GIB = 2**30
UID = "uid-of-digits"

SETTINGS = Settings(
    default_images={kind: f"ghcr.io/edgewise/{kind}:0.1.0" for kind in ("cpu", "openvino", "coral", "jetson-6")},
    report_url="https://edgewise-operator.edgewise.svc:9443/v1/report",
    report_ca="-----BEGIN CERTIFICATE-----",
)

ONNX_FP32 = ("ONNX", "FP32")
ONNX_INT8 = ("ONNX", "INT8")
ONNX_FP16 = ("ONNX", "FP16")
TPU_INT8 = ("EdgeTPU", "INT8")


def sha(text: str) -> str:
    return short_hash(text, 64)


def profile(
    name: str = "cpu", *kinds: tuple[str, str], priority: int = 0, memory: str | None = None, **spec: Any
) -> DeviceProfile:
    """Nodes labelled edgewise.dev/device=<name> belong to it; kinds: builds it runs, in order of liking."""
    match = {"matchExpressions": [{"key": DEVICE_LABEL, "operator": "In", "values": [name]}]}
    limits = {"limits": {"modelMemory": memory}} if memory else {}
    return DeviceProfile.model_validate(
        {
            "metadata": {"name": name, "generation": 1},
            "spec": {
                "priority": priority,
                "nodeSelectorTerms": [match],
                "variants": [{"format": kind, "precision": precision} for kind, precision in kinds or (ONNX_FP32,)],
                **limits,
                **spec,
            },
        }
    )


def anywhere(name: str, *kinds: tuple[str, str], **spec: Any) -> DeviceProfile:
    """A profile that every Linux node belongs to."""
    term = {"matchExpressions": [{"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}]}
    return profile(name, *kinds, nodeSelectorTerms=[term], **spec)


def build(name: str = "fp32", kind: tuple[str, str] = ONNX_FP32, source: Any = None, **rest: Any) -> dict[str, Any]:
    """A variant of a model."""
    where = {"uri": f"https://models.example/{name}.onnx", "sha256": sha(name), **(source or {})}
    return {"name": name, "format": kind[0], "precision": kind[1], "source": where, "memory": "40Mi", **rest}


def small_file(name: str) -> dict[str, Any]:
    return {"uri": f"https://models.example/{name}", "sha256": sha(name), "size": 1700}


def signed(**more: Any) -> dict[str, Any]:
    """spec.verification of a model that alice must have signed."""
    files = {name: small_file(name) for name in ("signature", "manifest")}
    return {"required": True, "publicKeys": [{"secretRef": {"name": "signers", "key": "alice.pub"}}], **files, **more}


def model(name: str = "digits", *builds: dict[str, Any], version: str = "1.0.0", **spec: Any) -> EdgeModel:
    return EdgeModel.model_validate(
        {
            "metadata": {"name": name, "namespace": NAMESPACE, "uid": f"uid-of-{name}", "generation": 1},
            "spec": {"version": version, "variants": list(builds) or [build()], **spec},
        }
    )


def deployment(
    *models: str, status: Mapping[str, Any] | None = None, generation: int = 1, name: str = "digits", **spec: Any
) -> EdgeDeployment:
    return EdgeDeployment.model_validate(
        {
            "metadata": {"name": name, "namespace": NAMESPACE, "uid": UID, "generation": generation},
            "spec": {"models": [{"name": name} for name in models or ("digits",)], **spec},
            "status": dict(status or {}),
        }
    )


def node(
    name: str = "pi-1",
    device: str = "cpu",
    ready: bool = True,
    memory: int = 4 * GIB,
    taints: Iterable[Mapping[str, str]] = (),
    **labels: str,
) -> Node:
    """device: what it calls itself in edgewise.dev/device; labels: further ones, `__` for `/` and `_` for `.`."""
    more = {key.replace("__", "/").replace("_", "."): value for key, value in labels.items()}
    return Node(name, {"kubernetes.io/os": "linux", DEVICE_LABEL: device, **more}, ready, tuple(taints), memory)


def taint(key: str = "dedicated", value: str = "gpu", effect: str = "NoSchedule") -> dict[str, str]:
    return {"key": key, "value": value, "effect": effect}


def pod(
    on: str = "pi-1",
    profile: str = "cpu",
    ready: bool = True,
    template: str = "",
    deleting: bool = False,
    problem: str = "",
    name: str = "",
    ip: str = "10.0.0.1",
    **more: Any,
) -> Pod:
    """more: role, and whether it is an endpoint, which it is by default when it is ready."""
    name = name or f"digits-{profile}-{on or 'nowhere'}"
    more = {"endpoint": ready and not deleting, **more}
    return Pod(name, NAMESPACE, f"uid-of-{name}", on, ip, ready, profile, template, deleting, problem, **more)


def report(
    of: Pod,
    serving: str | None,
    release: str | None = None,
    state: State = "Ready",
    reason: str = "",
    message: str = "",
    sequence: int = 1,
    access: AccessReport | None = None,
    targets: dict[str, str] | None = None,
    **more: Any,
) -> ReceivedReport:
    """What a pod said of itself; release: where it is going, by default what it serves. more: of its one model."""
    said = {"name": "digits", "version": "1.0.0", "variant": "fp32", **more}
    return ReceivedReport(
        Report(
            deployment=DeploymentRef(namespace=NAMESPACE, name="digits", uid=UID),
            pod=of.name,
            node=of.node,
            profile=of.profile,
            boot="boot",
            sequence=sequence,
            serving=serving,
            release=release or serving or "",
            models=[ModelReport(state=state, reason=reason, message=message, **said)],
            access=access,
            targets=targets or {},
        ),
        NOW,
    )


def reports(*received: ReceivedReport) -> dict[str, ReceivedReport]:
    return {one.report.pod: one for one in received}


def released(*models: EdgeModel) -> Release:
    """The release these models make."""
    return release.make({one.metadata.name: one.spec for one in models}, [])


def snapshot(content: Release, number: int = 1, of: str = "digits") -> Snapshot:
    """As a deployment keeps a release."""
    name = revisions.release_name(of, content.name)
    ref = ObjectRef("apps/v1", "ControllerRevision", NAMESPACE, name, f"uid-of-{name}", str(number))
    return Snapshot(ref, number, content.data)


def workload(profile: str = "cpu", template: str = "", image: str = "", **more: Any) -> Workload:
    ref = ObjectRef("apps/v1", "DaemonSet", NAMESPACE, f"digits-{profile}", f"uid-of-digits-{profile}", "1")
    return Workload(ref, profile, template, image, **more)


def observed(of: EdgeDeployment | None = None, **more: Any) -> ObservedDeployment:
    """One node, one profile, one model, and the deployment that wants it there; keywords replace fields."""
    models = more.pop("models", None)
    return ObservedDeployment(
        **{
            "deployment": of or deployment(),
            "settings": SETTINGS,
            "models": {one.metadata.name: one for one in (models if models is not None else [model()])},
            "profiles": (profile(),),
            "nodes": (node(),),
            **more,
        }
    )
