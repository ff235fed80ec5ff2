"""Every child, whole, as it goes to the API server."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import yaml

from edgewise.api.deviceprofile import DeviceProfile
from edgewise.contract.plan import PLAN_KEY, Plan
from edgewise.core import model as models
from edgewise.core.deployment import decide
from edgewise.core.observed import ObservedModel
from edgewise.core.outcome import Manifest
from tests.unit.core.builders import (
    NOW,
    ONNX_FP16,
    SETTINGS,
    TPU_INT8,
    build,
    deployment,
    model,
    node,
    observed,
    profile,
    sha,
    signed,
)
from tests.unit.core.golden import FOLDER, assert_golden

JETSON = profile(
    "jetson-agx-orin",
    ONNX_FP16,
    priority=900,
    runtime={
        "providers": ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"],
        "options": {"trt_fp16_enable": "true"},
        "requireAccelerator": True,
        "platform": "jetpack-6",
    },
    limits={"maxBatchSize": 32},
    pod={
        "runtimeClassName": "nvidia",
        "resources": {"limits": {"nvidia.com/gpu": 1}},
        "supplementalGroups": [44, 109],
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
        "imagePullSecrets": [{"name": "ngc"}],
        "env": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}],
        "volumes": [{"name": "tegra", "hostPath": "/usr/lib/tegra", "mountPath": "/usr/lib/tegra"}],
    },
)
CORAL = profile(
    "coral-usb",
    TPU_INT8,
    priority=500,
    runtime={"engine": "LiteRT"},
    pod={"devices": [{"path": "/dev/bus/usb"}], "supplementalGroups": [46]},
)
CPU = profile("generic-arm64")
BUILDS = [
    build("fp32", accuracy="0.971"),
    build(
        "fp16", ONNX_FP16, source={"secretRef": {"name": "registry"}, "caSecretRef": {"name": "ca", "key": "ca.crt"}}
    ),
    build("tpu", TPU_INT8, memory="6Mi", source={"size": 83_000, "mirrors": ["https://mirror.example/digits.tflite"]}),
]
DIGITS = model(
    "digits",
    *BUILDS,
    version="2.1.0",
    task="Classification",
    confidence={"output": "logits", "method": "SoftmaxMax", "temperature": "1.5"},
)


SPOOLED = {
    "targets": [{"name": "cloud", "url": "http://triton.cloud.svc:8000"}],
    "spool": {
        "maxBytes": "32Mi",
        "maxAge": "24h",
        "sink": "s3://training/hard",
        "sinkSecretRef": {"name": "bucket"},
        "caSecretRef": {"name": "bucket-ca", "key": "ca.crt"},
        "bandwidth": "64Ki",
    },
}


def children(*profiles: DeviceProfile, **spec: Any) -> list[Manifest]:
    """Of a deployment whose nodes are one of each profile."""
    seen = observed(
        deployment(**spec),
        profiles=profiles,
        nodes=tuple(node(f"box-{i}", one.metadata.name) for i, one in enumerate(profiles)),
        models=[DIGITS],
    )
    return list(decide(seen, NOW).apply)


def only(kind: str, manifests: list[Manifest]) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


@pytest.mark.parametrize(
    ("name", "profiles", "spec"),
    [
        pytest.param("daemonset-cpu", [CPU], {}, id="plain CPU"),
        pytest.param("daemonset-jetson", [JETSON, CPU], {}, id="Jetson: runtime class, GPU, driver folder"),
        pytest.param("daemonset-coral", [CORAL, JETSON], {}, id="Coral: a device of the host"),
        pytest.param(
            "daemonset-own-words",
            [CPU],
            {
                "placement": {
                    "nodeSelector": {"site": "lab"},
                    "tolerations": [{"key": "edge", "operator": "Exists", "effect": "NoExecute"}],
                },
                "serving": {
                    "hostPort": 8000,
                    "image": "registry.local/runtime:7",
                    "resources": {"requests": {"cpu": "2"}, "limits": {"memory": "150Mi", "cpu": "1"}},
                    "cache": {"limit": "4Gi"},
                },
            },
            id="whatever a person may say about the pod",
        ),
        pytest.param(
            "daemonset-access",
            [CPU],
            {
                "serving": {
                    "auth": {
                        "tokenSecretRef": {"name": "digits-clients"},
                        "certificateSecretRef": {"name": "digits-tls"},
                        "clientCASecretRef": {"name": "cameras-ca", "key": "tls.crt"},
                    },
                },
            },
            id="tokens, TLS and client certificates",
        ),
        pytest.param("daemonset-spool", [CPU], {"escalation": SPOOLED}, id="a spool: its Secrets, and its disk space"),
    ],
)  # fmt: skip
def test_a_daemon_set(name: str, profiles: list[DeviceProfile], spec: dict[str, Any]) -> None:
    boxes = tuple(node(f"box-{i}", one.metadata.name, site="lab") for i, one in enumerate(profiles))
    seen = observed(deployment(**spec), profiles=tuple(profiles), nodes=boxes, models=[DIGITS])
    made = only("DaemonSet", list(decide(seen, NOW).apply))
    wanted = f"digits-{profiles[0].metadata.name}"
    assert_golden(name, *(one for one in made if one["metadata"]["name"] == wanted))


def test_a_daemon_set_of_a_model_that_must_be_signed() -> None:
    digits = model("digits", *BUILDS, verification=signed(minVersion="0.9.0"))
    box = node("box", CPU.metadata.name)
    made = list(decide(observed(deployment(), models=[digits], profiles=(CPU,), nodes=(box,)), NOW).apply)
    assert_golden("daemonset-signed", *only("DaemonSet", made))
    (plan,) = only("ConfigMap", made)
    assert_golden("plan-signed", json.loads(plan["data"][PLAN_KEY])["releases"][0]["models"][0]["verification"])


def test_a_daemon_set_whose_files_lie_on_the_node() -> None:
    """Its cache, which an init container hands over, and models: in a folder, in a volume, in an S3."""
    sources = {"uri": "file:///srv/models/edge/digits.onnx", "mirrors": ["pvc://store/digits.onnx"]}
    bucket = {"uri": "s3://models/digits.onnx", "secretRef": {"name": "bucket"}}
    seen = observed(
        deployment(serving={"cache": {"type": "HostPath", "limit": "2Gi"}}),
        settings=replace(SETTINGS, cache_root="/var/lib/edgewise/cache", file_root="/srv/models"),
        profiles=(CPU,),
        nodes=(node("box", CPU.metadata.name),),
        models=[model("digits", build("fp32", source=sources), build("fp16", ONNX_FP16, source=bucket))],
    )
    assert_golden("daemonset-storage", *only("DaemonSet", list(decide(seen, NOW).apply)))


def test_replicas_that_share_a_claim_as_their_cache() -> None:
    spec = {
        "placement": {"mode": "Replicas", "replicas": 2},
        "serving": {"cache": {"type": "PersistentVolumeClaim", "claim": "models"}},
    }
    assert_golden("deployment-claim", *only("Deployment", children(CPU, **spec)))


def test_a_deployment_in_replicas_mode() -> None:
    spec = {"placement": {"mode": "Replicas", "replicas": 3}}
    assert_golden("deployment-replicas", *only("Deployment", children(CPU, CORAL, **spec)))


@pytest.mark.parametrize(
    ("name", "spec", "status"),
    [
        pytest.param("deployment-gateway", {}, {}, id="as it is without another word"),
        pytest.param(
            "deployment-gateway-own-words",
            {
                "replicas": 2,
                "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "80Mi"}},
                "nodeSelector": {"tier": "cloud"},
                "tolerations": [{"key": "infra", "operator": "Exists"}],
            },
            {"servedBy": "Devices", "gateway": {"gaveBackAt": "2026-11-21T12:00:00Z"}},
            id="whatever a person may say about it, guarded, after an outage",
        ),
    ],
)
def test_a_gateway(name: str, spec: Manifest, status: Manifest) -> None:
    target: Manifest = {"name": "cloud", "url": "https://triton.cloud:8000"}
    entry: Manifest = {"escalation": {"targets": [target]}, "placement": {"nodeSelector": {"site": "lab"}}}
    if spec:
        target |= {"credentialsSecretRef": {"name": "cloud-token"}}
        entry["escalation"] |= {"gateway": spec}
        entry["serving"] = {"auth": {"certificateSecretRef": {"name": "digits-tls"}}}
    boxes = (node("box", "generic-arm64", site="lab"), node("cloud", device="none", tier="cloud"))
    seen = observed(deployment(**entry, status=status), profiles=(CPU,), nodes=boxes, models=[DIGITS])
    assert_golden(name, *only("Deployment", list(decide(seen, NOW).apply)))


def test_both_services() -> None:
    spec = {"serving": {"trafficDistribution": "PreferClose"}}
    assert_golden("services", *only("Service", children(CPU, **spec)))


def test_the_plan() -> None:
    spec = {
        "escalation": {
            "targets": [
                {"name": "gateway", "deploymentRef": {"name": "digits-big"}},
                {
                    "name": "regional",
                    "url": "grpcs://triton.region.example",
                    "timeout": "80ms",
                    "compress": True,
                    "tls": {
                        "caSecretRef": {"name": "region-ca", "key": "ca.crt"},
                        "clientCertSecretRef": {"name": "region-client"},
                        "serverName": "triton",
                    },
                    "credentialsSecretRef": {"name": "region"},
                },
                {"name": "cloud", "url": "http://triton.cloud.svc:8000", "model": "digits-large"},
            ],
            "when": {"confidenceBelow": "0.85"},
            "budget": {"ratio": "0.30"},
        },
        "reporting": {"interval": "10m"},
        "requirements": {"maxLatency": "20ms"},
        "serving": {"maxQueue": 16, "batching": "Off", "rateLimit": {"requestsPerSecond": 20}},
    }
    (made,) = only("ConfigMap", children(CPU, CORAL, JETSON, **spec))
    document = yaml.safe_load(made["data"].pop(PLAN_KEY))  # as YAML, because nobody reviews a line of JSON
    assert_golden("plan", made, document)


def test_the_plan_of_a_spool() -> None:
    (made,) = only("ConfigMap", children(CPU, escalation=SPOOLED))
    assert_golden("plan-spool", json.loads(made["data"][PLAN_KEY])["escalation"])


def test_the_plan_of_a_rollout_with_a_window_and_a_self_test() -> None:
    window = {"schedule": "0 2 * * 1-5", "duration": "2h30m", "timeZone": "Europe/Berlin"}
    rollout = {"window": window, "retry": "2.1.0-0a1b2c3d", "bandwidth": "2Mi"}
    golden = {"source": "https://models.example/golden.npz", "sha256": sha("golden"), "minAccuracy": "0.9"}
    tested = model("digits", selfTest=golden)
    (made,) = only("ConfigMap", list(decide(observed(deployment(rollout=rollout), models=[tested]), NOW).apply))
    document = yaml.safe_load(made["data"][PLAN_KEY])
    shown = {key: document[key] for key in ("window", "rejected", "retry")}
    shown["bandwidth"] = document["serving"]["bandwidth"]
    assert_golden("plan-rollout", {**shown, "selfTest": document["releases"][0]["models"][0]["selfTest"]})


def test_with_privacy_never_no_device_gets_the_spools_secrets() -> None:
    (made,) = only("DaemonSet", children(CPU, escalation={**SPOOLED, "privacy": "Never"}))
    secrets = [volume["secret"]["secretName"] for volume in _volumes(made) if "secret" in volume]
    assert set(secrets).isdisjoint({"bucket", "bucket-ca"})
    assert {"name": "cache", "emptyDir": {"sizeLimit": "1Gi"}} in _volumes(made)


def _volumes(made: Manifest) -> list[dict[str, Any]]:
    volumes: list[dict[str, Any]] = made["spec"]["template"]["spec"]["volumes"]
    return volumes


def test_the_plan_of_a_pipeline() -> None:
    pictures = [{"decodeImage": {}}, {"resize": {"width": 640, "height": 640}}, {"toTensor": {}}]
    finder = model("finder", processing={"pre": pictures, "post": [{"nms": {}}], "labels": ["plate"]})
    reader = model("reader", processing={"pre": pictures, "post": [{"ctcDecode": {}}], "labelsFrom": "character"})
    steps = [
        {"name": "find", "model": "finder"},
        {"name": "read", "model": "reader", "from": "find", "crop": "boxes", "when": {"labels": ["plate"]}},
    ]
    seen = observed(deployment("finder", "reader", name="plates", pipeline=steps), models=[finder, reader])
    (made,) = only("ConfigMap", list(decide(seen, NOW).apply))
    assert_golden("plan-pipeline", yaml.safe_load(made["data"][PLAN_KEY]))


def test_a_plan_with_privacy_never_names_nobody_to_ask() -> None:
    targets = [{"name": "cloud", "url": "http://triton.cloud.svc:8000"}]
    (made,) = only("ConfigMap", children(CPU, escalation={"targets": targets, "privacy": "Never"}))
    assert Plan.model_validate_json(made["data"][PLAN_KEY]).escalation is None
    assert "triton" not in made["data"][PLAN_KEY]


def test_the_release_and_the_models_revision() -> None:
    revision = models.decide(ObservedModel(DIGITS), NOW).apply
    assert_golden("controllerrevisions", *only("ControllerRevision", children(CPU)), *revision)


def test_no_golden_file_is_left_behind() -> None:
    names = {path.stem for path in FOLDER.iterdir()}
    assert names == {
        "controllerrevisions", "daemonset-access", "daemonset-coral", "daemonset-cpu", "daemonset-jetson",
        "daemonset-own-words", "daemonset-signed", "daemonset-spool", "daemonset-storage", "deployment-claim",
        "deployment-gateway", "deployment-gateway-own-words", "deployment-replicas", "plan", "plan-pipeline",
        "plan-rollout", "plan-signed", "plan-spool", "services",
    }  # fmt: skip


POD_SPECS = [
    (path.stem, manifest["spec"]["template"]["spec"])
    for path in sorted(FOLDER.glob("d*.yaml"))
    for manifest in yaml.safe_load_all(path.read_text())
]


@pytest.mark.parametrize(("name", "spec"), POD_SPECS, ids=[name for name, _ in POD_SPECS])
def test_every_mount_has_its_volume_and_every_volume_its_mount(name: str, spec: dict[str, Any]) -> None:
    (container,) = spec["containers"]
    mounts = [mount["name"] for mount in container["volumeMounts"]]
    assert mounts == [volume["name"] for volume in spec["volumes"]]
    assert len(set(mounts)) == len(mounts)
