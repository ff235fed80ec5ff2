from __future__ import annotations

from typing import Any

import pytest

from edgewise.core import support
from tests.unit.core.builders import deployment

REPLICAS = {"placement": {"mode": "Replicas"}}
CLOUD = {"name": "cloud", "url": "grpcs://triton:8001", "tls": {}, "credentialsSecretRef": {"name": "cloud"}}


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"rollout": {"gates": {}}, **REPLICAS}, "spec.rollout.gates in placement.mode Replicas"),
        ({"rollout": {"waves": [{"nodes": 1}]}, **REPLICAS}, "spec.rollout.waves in placement.mode Replicas"),
    ],
)
def test_a_deployment_that_asks_for_more_than_this_version_does_is_told(spec: dict[str, Any], path: str) -> None:
    assert support.ignored_in_deployment(deployment(**spec).spec) == [path]


def test_defaults_and_what_works_are_not_told() -> None:
    rollout = {
        "maxUnavailable": "20%",
        "paused": True,
        "waves": [{"nodes": 1}],
        "gates": {},
        "rollbackOnFailure": False,
    }
    plain = deployment(
        escalation={"targets": [CLOUD]}, rollout=rollout, serving={"hostPort": 8000, "switch": "InPlace"}
    )
    assert support.ignored_in_deployment(plain.spec) == []
