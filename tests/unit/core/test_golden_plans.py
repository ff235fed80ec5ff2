"""The plan that devices follow, as it goes to the API server: of escalation, spool, rollout, pipeline."""

from __future__ import annotations

import json

import yaml

from edgewise.contract.plan import PLAN_KEY, Plan
from edgewise.core.deployment import decide
from tests.unit.core.builders import (
    NOW,
    deployment,
    model,
    observed,
    sha,
)
from tests.unit.core.golden import CORAL, CPU, JETSON, SPOOLED, assert_golden, children, only


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
