from __future__ import annotations

from typing import Any

import pytest

from edgewise.core import support
from tests.unit.core.builders import build, deployment, model, sha

KEY = {"name": "secret", "key": "key"}
CLOUD = {"name": "cloud", "url": "grpcs://triton:8001", "tls": {}, "credentialsSecretRef": {"name": "cloud"}}


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"verification": {"required": True, "publicKeys": [{"secretRef": KEY}]}}, "spec.verification.required"),
        ({"encryption": {"keySecretRef": KEY}}, "spec.encryption"),
    ],
)
def test_a_model_that_asks_for_what_must_not_be_ignored_is_refused(spec: dict[str, Any], path: str) -> None:
    assert support.refused_in_model(model(**spec).spec) == [path]


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"selfTest": {"inline": "{}"}}, "spec.selfTest"),
        ({"verification": {"minVersion": "1.0.0"}}, "spec.verification.minVersion"),
        ({"verification": {"notAfter": "2030-01-01T00:00:00Z"}}, "spec.verification.notAfter"),
    ],
)
def test_a_model_that_asks_for_more_than_this_version_does_is_told(spec: dict[str, Any], path: str) -> None:
    assert support.ignored_in_model(model(**spec).spec) == [path]


def test_deltas_of_any_build_are_told() -> None:
    delta = {"fromSha256": sha("old"), "uri": "https://models.example/delta", "sha256": sha("delta")}
    assert support.ignored_in_model(model("digits", build(), build("b", deltas=[delta])).spec) == [
        "spec.variants[].deltas"
    ]


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"serving": {"cache": {"type": "HostPath"}}}, "spec.serving.cache.type"),
        ({"serving": {"switch": "InPlace"}}, "spec.serving.switch"),
        ({"rollout": {"waves": [{"nodes": 1}]}}, "spec.rollout.waves"),
        ({"rollout": {"gates": {}}}, "spec.rollout.gates"),
        ({"rollout": {"promote": "1.0.0-abc/1"}}, "spec.rollout.promote"),
        ({"rollout": {"retry": "1.0.0-abc"}}, "spec.rollout.retry"),
        ({"rollout": {"rollbackOnFailure": False}}, "spec.rollout.rollbackOnFailure"),
        ({"rollout": {"window": {"schedule": "0 2 * * *", "duration": "1h"}}}, "spec.rollout.window"),
        ({"rollout": {"bandwidth": "2Mi"}}, "spec.rollout.bandwidth"),
    ],
)
def test_a_deployment_that_asks_for_more_than_this_version_does_is_told(spec: dict[str, Any], path: str) -> None:
    assert support.ignored_in_deployment(deployment(**spec).spec) == [path]


def test_defaults_and_what_works_are_neither_refused_nor_told() -> None:
    rollout = {"maxUnavailable": "20%", "paused": True}
    plain = deployment(escalation={"targets": [CLOUD]}, rollout=rollout, serving={"hostPort": 8000})
    assert support.ignored_in_deployment(plain.spec) == []
    labels = model(processing={"labels": ["zero", "one"]}, verification={"required": False})
    assert support.refused_in_model(labels.spec) == support.ignored_in_model(labels.spec) == []
