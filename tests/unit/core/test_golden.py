"""Every child, whole, as it goes to the API server."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import yaml

from edgewise.api.deviceprofile import DeviceProfile
from edgewise.contract.plan import PLAN_KEY
from edgewise.core import model as models
from edgewise.core.children import pods, pulls
from edgewise.core.deployment import decide
from edgewise.core.observed import ObservedModel
from edgewise.core.outcome import Manifest
from tests.unit.core.builders import (
    NOW,
    ONNX_FP16,
    SETTINGS,
    build,
    deployment,
    model,
    node,
    observed,
    signed,
)
from tests.unit.core.golden import BUILDS, CORAL, CPU, DIGITS, FOLDER, JETSON, SPOOLED, assert_golden, children, only


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


def test_with_privacy_never_no_device_gets_the_spools_secrets() -> None:
    (made,) = only("DaemonSet", children(CPU, escalation={**SPOOLED, "privacy": "Never"}))
    secrets = [volume["secret"]["secretName"] for volume in _volumes(made) if "secret" in volume]
    assert set(secrets).isdisjoint({"bucket", "bucket-ca"})
    assert {"name": "cache", "emptyDir": {"sizeLimit": "1Gi"}} in _volumes(made)


def _volumes(made: Manifest) -> list[dict[str, Any]]:
    volumes: list[dict[str, Any]] = made["spec"]["template"]["spec"]["volumes"]
    return volumes


def test_the_release_and_the_models_revision() -> None:
    revision = models.decide(ObservedModel(DIGITS), NOW).apply
    assert_golden("controllerrevisions", *only("ControllerRevision", children(CPU)), *revision)


def test_what_brings_an_image_to_some_nodes() -> None:
    """As the runtime's pods in all that decides who can pull it; it asks for next to nothing."""
    made_from = pods.inputs(deployment(), JETSON, "registry.local/jetson:2", 0, ["registry/token"])
    assert_golden("puller", pulls.daemon_set(deployment(), JETSON, made_from, ["orin-2", "orin-1"]))


def test_no_golden_file_is_left_behind() -> None:
    names = {path.stem for path in FOLDER.iterdir()}
    assert names == {
        "controllerrevisions", "daemonset-access", "daemonset-coral", "daemonset-cpu", "daemonset-jetson",
        "daemonset-own-words", "daemonset-signed", "daemonset-spool", "daemonset-storage", "deployment-claim",
        "deployment-gateway", "deployment-gateway-own-words", "deployment-replicas", "plan", "plan-pipeline",
        "plan-rollout", "plan-signed", "plan-spool", "puller", "services",
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
