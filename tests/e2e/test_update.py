"""New versions and new pods, under load."""

import json
import time

from tests.e2e.conftest import cloud_client, operator_writes
from tests.stage import examples
from tests.stage.product import Product, install


def test_a_model_update_under_load_loses_no_request_and_restarts_no_pod(digits: Product) -> None:
    before = {node: pod["metadata"]["uid"] for node, pod in digits.pods("digits").items()}
    client = cloud_client(digits, "update-client", digits.status()["url"])
    client.wait_answered(100)
    examples.apply(digits, "02-model-update")
    examples.wait_version(digits, "1.1.0")
    client.wait_answered(client.answers().answered + 100)
    answers = client.stop()
    assert answers.failed == 0, answers.errors
    assert set(answers.versions) == {"1.0.0", "1.1.0"}
    assert {node: pod["metadata"]["uid"] for node, pod in digits.pods("digits").items()} == before
    release = digits.status()["release"]
    assert release["stable"].startswith("1.1.0-")
    assert release["previous"].startswith("1.0.0-")


def test_an_earlier_release_can_be_pinned(digits: Product) -> None:
    first = digits.status()["release"]["stable"]
    examples.apply(digits, "02-model-update")
    examples.wait_version(digits, "1.1.0")
    try:
        pin(digits, first)
        examples.wait_version(digits, "1.0.0")
        assert digits.status()["release"]["stable"] == first
    finally:
        pin(digits, "")


def pin(product: Product, release: str) -> None:
    patch = json.dumps({"spec": {"release": release}})
    product.kubectl("patch", "edgedeployment", "digits", "--type=merge", "-p", patch)


def test_upgrading_the_chart_restarts_no_device_pod(digits: Product) -> None:
    before = {node: pod["metadata"]["uid"] for node, pod in digits.pods("digits").items()}
    install(digits, "--set", "podAnnotations.upgraded=yes")
    digits.kubectl.wait_ready("edgedeployment", "digits", 60)
    assert {node: pod["metadata"]["uid"] for node, pod in digits.pods("digits").items()} == before


def test_an_idle_operator_writes_nothing(digits: Product) -> None:
    """Half a minute of nothing happening; `make bench-main` looks for longer."""
    before = operator_writes(digits)
    time.sleep(30)  # the absence of writes cannot be awaited
    assert operator_writes(digits) == before
