"""What a pod template is made from, kept and read back."""

from __future__ import annotations

from typing import Any

import pytest

from edgewise.core.children import podinputs, pods
from tests.unit.core.builders import deployment, profile
from tests.unit.core.golden import JETSON

AFFINITY: dict[str, Any] = {"nodeAffinity": {}}
PLAIN = deployment()
RICH = deployment(
    serving={
        "hostPort": 8000,
        "resources": {"requests": {"cpu": "2"}, "limits": {"memory": "150Mi"}},
        "auth": {"tokenSecretRef": {"name": "clients"}, "certificateSecretRef": {"name": "tls"}},
    },
    placement={"tolerations": [{"key": "edge", "operator": "Exists", "effect": "NoExecute"}]},
    escalation={"targets": [{"name": "cloud", "url": "http://triton:8000"}], "spool": {"maxBytes": "32Mi"}},
)


@pytest.mark.parametrize("of", [PLAIN, RICH], ids=["plain", "whatever a person may say"])
def test_what_is_kept_is_what_is_read(of: Any) -> None:
    made = pods.inputs(of, JETSON, "cpu:1", 40, ["registry/token"])
    found = podinputs.read(podinputs.written(made))
    assert found is not None
    assert (found, found.hash) == (made, made.hash)


def test_a_former_template_is_made_from_what_was_decided_then_and_nothing_of_now() -> None:
    then = pods.inputs(RICH, JETSON, "cpu:1", 40, ["registry/token"])
    now = profile(JETSON.metadata.name)
    assert pods.template(PLAIN, now, then, AFFINITY) == pods.template(RICH, JETSON, then, AFFINITY)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"image": "cpu:1"}',
        podinputs.written(pods.inputs(PLAIN, JETSON, "a", 1, [])).replace("nvidia", "Ñ"),
    ],
)
def test_what_somebody_damaged_is_no_way_back(text: str) -> None:
    assert podinputs.read(text) is None
