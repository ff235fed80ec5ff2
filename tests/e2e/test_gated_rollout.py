"""New versions in waves, and what becomes of a bad one."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import cloud_client
from tests.stage import examples
from tests.stage.product import Product

FOLDER = "10-gated-rollout"


@pytest.fixture
def gated(digits: Product) -> Iterator[Product]:
    """Digits 1.0.0 on all five devices; from now on new versions come in waves."""
    examples.apply(digits, f"{FOLDER}/edgedeployment.yaml")
    digits.kubectl.wait("the spec is seen", lambda: examples.followed(digits) or None, 60)
    yield digits
    examples.apply(digits, "01-digits")  # without waves: what a test left half-way goes back at once


def test_a_good_version_is_one_devices_first_and_then_everybodys(gated: Product) -> None:
    client = cloud_client(gated, "waves-client", gated.status()["url"])
    client.wait_answered(50)
    examples.apply(gated, FOLDER)
    first = gated.kubectl.wait("one device serves it and soaks", lambda: _soaking(gated), 60)
    assert (first["rollout"]["waves"], first["nodes"]["updated"]) == (2, 1)
    assert first["release"]["stable"].startswith("1.0.0-")
    examples.wait_version(gated, "1.1.0")
    client.wait_answered(client.answers().answered + 50)
    answers = client.stop()
    assert answers.failed == 0, answers.errors
    assert set(answers.versions) == {"1.0.0", "1.1.0"}


def test_a_version_that_answers_wrongly_never_serves_and_nobody_has_to_act_for_that(gated: Product) -> None:
    examples.apply(gated, FOLDER)
    examples.wait_version(gated, "1.1.0")
    pods = {node: pod["metadata"]["uid"] for node, pod in gated.pods("digits").items()}
    client = cloud_client(gated, "bad-client", gated.status()["url"])
    client.wait_answered(50)
    examples.apply(gated, f"{FOLDER}/bad")
    gated.kubectl.wait("the version is rejected", lambda: examples.rejected(gated, "1.2.0") or None, 60)
    stalled = gated.kubectl.condition("edgedeployment", "digits", "Stalled")
    assert stalled["status"] == "True"
    assert "SelfTestFailed" in stalled["message"] or "self test" in stalled["message"], stalled
    assert gated.status()["release"]["stable"].startswith("1.1.0-")
    gated.kubectl.wait("every device follows the way back", lambda: examples.followed(gated) or None, 30)
    client.wait_answered(client.answers().answered + 50)
    answers = client.stop()
    assert answers.failed == 0, answers.errors
    assert set(answers.versions) == {"1.1.0"}
    assert {node: pod["metadata"]["uid"] for node, pod in gated.pods("digits").items()} == pods


def _soaking(product: Product) -> dict[str, Any] | None:
    now = product.status()
    rollout = now.get("rollout") or {}
    return now if rollout.get("wave") == 1 and rollout.get("soakEndsAt") and now["nodes"]["updated"] == 1 else None
