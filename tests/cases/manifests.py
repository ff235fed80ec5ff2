"""Manifests to start from: per kind the smallest one that is accepted, and one that sets every field."""

from __future__ import annotations

from typing import Any

from edgewise.api.names import API_VERSION

Manifest = dict[str, Any]

SHA = "0123456789abcdef" * 4
SMALL = {"sha256": SHA, "size": 1_700, "mirrors": ["https://mirror.example/small"]}
SECRET_KEY = {"name": "credentials", "key": "token"}
TOLERATION = {
    "key": "edge", "operator": "Equal", "value": "yes", "effect": "NoExecute", "tolerationSeconds": 300,
}  # fmt: skip
RESOURCES = {"requests": {"cpu": "500m", "memory": "128Mi"}, "limits": {"nvidia.com/gpu": 1}}
VARIANT = {
    "name": "int8",
    "format": "ONNX",
    "precision": "INT8",
    "source": {"uri": "https://models.example/digits.onnx", "sha256": SHA},
}


def manifest(kind: str, spec: Manifest, name: str = "digits") -> Manifest:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


SMALL_PROFILE = manifest(
    "DeviceProfile",
    {
        "nodeSelectorTerms": [
            {"matchExpressions": [{"key": "kubernetes.io/arch", "operator": "In", "values": ["arm64"]}]}
        ],
        "variants": [{"format": "ONNX", "precision": "INT8"}],
    },
)
SMALL_MODEL = manifest("EdgeModel", {"version": "1.0.0", "variants": [VARIANT]})
SMALL_DEPLOYMENT = manifest("EdgeDeployment", {"models": [{"name": "digits"}]})

FULL_PROFILE = manifest(
    "DeviceProfile",
    {
        "priority": 900,
        "nodeSelectorTerms": [
            {"matchExpressions": [{"key": "nvidia.com/gpu.memory", "operator": "Gt", "values": ["4096"]}]},
            {"matchExpressions": [{"key": "edgewise.dev/device", "operator": "Exists"}]},
        ],
        "runtime": {
            "engine": "ONNXRuntime",
            "image": "registry.example:5000/edgewise/runtime:jetson@sha256:" + SHA,
            "providers": ["TensorrtExecutionProvider", "CPUExecutionProvider"],
            "options": {"trt_fp16_enable": "true"},
            "requireAccelerator": True,
            "exclusive": True,
            "platform": "jetpack-6",
        },
        "variants": [{"format": "ONNX", "precision": "FP16"}, {"format": "ONNX", "precision": "FP32"}],
        "limits": {"maxBatchSize": 32, "modelMemory": "4Gi", "acceleratorMemory": "8Mi"},
        "pod": {
            "runtimeClassName": "nvidia",
            "resources": RESOURCES,
            "devices": [{"path": "/dev/apex_0"}],
            "supplementalGroups": [44],
            "tolerations": [TOLERATION],
            "imagePullSecrets": [{"name": "registry"}],
            "env": [{"name": "LD_LIBRARY_PATH", "value": "/usr/lib/tegra"}],
            "volumes": [{"name": "tegra", "hostPath": "/usr/lib/tegra", "mountPath": "/usr/lib/tegra"}],
        },
        "hardware": {
            "accelerator": "Ampere GPU",
            "cores": 12,
            "memory": "64Gi",
            "storage": "64G",
            "watts": {"min": "15", "max": "60"},
            "priceUSD": 1999,
            "benchmarks": [
                {
                    "model": "resnet50",
                    "precision": "INT8",
                    "latency": "2ms",
                    "framesPerSecond": "499.5",
                    "watts": "40",
                    "accuracy": "0.761",
                    "source": "https://example.org/benchmarks",
                }
            ],
        },
    },
    name="jetson-agx-orin",
)

FULL_MODEL = manifest(
    "EdgeModel",
    {
        "version": "2.1.0-rc.1+build.7",
        "task": "Classification",
        "description": "handwritten digits",
        "confidence": {"output": "logits", "method": "Entropy", "temperature": "1.5"},
        "processing": {
            "input": "pixels",
            "pre": [
                {"decodeImage": {"colour": "Grey", "maxPixels": 1_000_000}},
                {
                    "resize": {
                        "width": 28,
                        "height": 28,
                        "fit": "Within",
                        "enlarge": False,
                        "multipleOf": 4,
                        "filter": "Bicubic",
                    }
                },
                {"pad": {"width": 32, "height": 32, "multipleOf": 2, "fill": 114, "align": "Start"}},
                {"crop": {"width": 28, "height": 28}},
                {"normalise": {"scale": "255", "mean": ["0.1307"], "std": ["0.3081"]}},
                {"toTensor": {"layout": "HWC"}},
            ],
            "post": [{"softmax": {"output": "logits"}}, {"topK": {"output": "logits", "k": 2}}],
            "labels": ["zero", "one"],
        },
        "selfTest": {
            "source": "oci://registry.example/digits-golden:1",
            "sha256": SHA,
            "tolerance": "0.01",
            "minAccuracy": "0.9",
        },
        "variants": [
            {
                **VARIANT,
                "source": {
                    "uri": "oci://registry.example/digits:int8",
                    "sha256": SHA,
                    "size": 83_000,
                    "mirrors": ["https://mirror.example/digits.onnx"],
                    "secretRef": {"name": "registry"},
                    "plainHTTP": True,
                    "caSecretRef": {"name": "site-ca", "key": "ca.crt"},
                    "compressed": {**SMALL, "uri": "oci://registry.example/digits:int8#deltas/digits.packed"},
                },
                "memory": "40Mi",
                "accuracy": "0.957",
                "deltas": [{**SMALL, "fromSha256": SHA, "uri": "https://models.example/digits.delta"}],
            },
            {**VARIANT, "name": "fp32", "precision": "FP32"},
        ],
        "verification": {
            "required": True,
            "publicKeys": [{"secretRef": {"name": "keys", "key": "model.pub"}}],
            "minVersion": "2.0.0",
            "notAfter": "2027-01-01T00:00:00Z",
            "signature": {**SMALL, "uri": "oci://registry.example/digits:int8#model.sig"},
            "manifest": {**SMALL, "uri": "oci://registry.example/digits:int8#edgewise.json"},
        },
        "revisionHistoryLimit": 5,
    },
)

NMS = {
    "boxes": "boxes",
    "scores": "scores",
    "layout": "Columns",
    "coordinates": "CentreSize",
    "unit": "Fraction",
    "scoring": "Best",
    "objectness": True,
    "minScore": "0.4",
    "iou": "0.5",
    "limit": 20,
}
TEXT_BOXES = {"output": "map", "threshold": "0.2", "minScore": "0.6", "unclip": "2.0", "limit": 50}

FULL_DEPLOYMENT = manifest(
    "EdgeDeployment",
    {
        "models": [{"name": "digits"}, {"name": "ocr"}],
        "pipeline": [
            {"name": "find", "model": "digits"},
            {
                "name": "orient",
                "model": "ocr",
                "from": "find",
                "crop": "quads",
                "when": {"minScore": "0.5", "labels": ["line"]},
            },
            {"name": "read", "model": "ocr", "from": "orient", "turn": {"minScore": "0.8"}},
            {"name": "follow", "from": "find", "track": {"iou": "0.4", "patience": "3s"}},
            {"name": "again", "model": "ocr", "from": "find", "crop": "quads"},
        ],
        "release": "digits-1a2b3c",
        "placement": {
            "mode": "Replicas",
            "replicas": 3,
            "nodeSelector": {"topology.kubernetes.io/zone": "lab"},
            "tolerations": [TOLERATION],
            "profiles": ["coral-usb", "generic-arm64"],
        },
        "requirements": {"minAccuracy": "0.95", "maxLatency": "20ms", "precisions": ["INT8", "FP16"]},
        "serving": {
            "batching": "Off",
            "maxQueue": 16,
            "resources": RESOURCES,
            "trafficDistribution": "PreferClose",
            "hostPort": 8080,
            "cache": {"type": "HostPath", "path": "/var/lib/edgewise", "limit": "2Gi"},
            "switch": "InPlace",
            "auth": {
                "tokenSecretRef": {"name": "clients"},
                "certificateSecretRef": {"name": "digits-tls"},
                "clientCASecretRef": SECRET_KEY,
            },
            "rateLimit": {"requestsPerSecond": 20, "burst": 100},
            "image": "registry.example/edgewise/runtime:1",
        },
        "escalation": {
            "targets": [
                {"name": "gateway", "deploymentRef": {"name": "gateway"}},
                {
                    "name": "cloud",
                    "url": "https://triton.example:8000",
                    "model": "digits-large",
                    "timeout": "80ms",
                    "compress": True,
                    "tls": {
                        "caSecretRef": SECRET_KEY,
                        "clientCertSecretRef": {"name": "client"},
                        "serverName": "triton.example",
                    },
                    "credentialsSecretRef": {"name": "cloud"},
                },
            ],
            "when": {"confidenceBelow": "0.85", "overloaded": False, "unavailable": False},
            "timeout": "200ms",
            "budget": {"ratio": "0.30", "requestsPerMinute": 60, "bytesPerDay": "20Mi"},
            "privacy": "Never",
            "gateway": {
                "enabled": False,
                "replicas": 2,
                "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "256Mi"}},
                "nodeSelector": {"edgewise.dev/tier": "cloud"},
                "tolerations": [TOLERATION],
                "timeout": "5s",
                "takeOverAfter": "20s",
                "giveBackAfter": "5m",
            },
            "spool": {
                "maxBytes": "32Mi",
                "maxAge": "24h",
                "sink": "s3://bucket/hard",
                "sinkSecretRef": {"name": "bucket"},
                "caSecretRef": SECRET_KEY,
                "bandwidth": "64Ki",
            },
        },
        "rollout": {
            "waves": [{"nodes": 1}, {"percent": 10}, {"selector": {"site": "lab"}}],
            "gates": {
                "soak": "1h30m",
                "minRequests": 100,
                "deadline": "2d",
                "onTooFew": "Hold",
                "errorRate": "0.01",
                "latencyRatio": "1.25",
                "confidenceShift": "0.2",
                "maxFailed": "5%",
                "query": [{"name": "errors", "promql": "sum(rate(errors[5m]))", "max": "0.5"}],
            },
            "promote": "digits-1a2b3c/2",
            "retry": "digits-1a2b3c",
            "rollbackOnFailure": False,
            "maxUnavailable": "25%",
            "window": {"schedule": "0 2 * * *", "duration": "4h", "timeZone": "Europe/Berlin"},
            "bandwidth": "2Mi",
            "paused": True,
        },
        "reporting": {"interval": "10m", "duringRollout": "30s"},
    },
    name="page-reader",
)
