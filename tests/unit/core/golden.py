"""Children as files, so that a review shows the effect of every change, and the fleet and model most of them are of.

UPDATE_GOLDEN=1 pytest tests/unit/core writes them anew, after a change that is meant.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from edgewise.api.deviceprofile import DeviceProfile
from edgewise.core.deployment import decide
from edgewise.core.outcome import Manifest
from tests.unit.core.builders import NOW, ONNX_FP16, TPU_INT8, build, deployment, model, node, observed, profile

FOLDER = Path(__file__).parent / "golden"
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


def assert_golden(name: str, *manifests: dict[str, Any]) -> None:
    """These manifests are what golden/<name>.yaml holds."""
    path, text = FOLDER / f"{name}.yaml", yaml.safe_dump_all(manifests, sort_keys=False, width=120)
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text(), "the children changed; if that is meant: UPDATE_GOLDEN=1 pytest tests/unit/core"
