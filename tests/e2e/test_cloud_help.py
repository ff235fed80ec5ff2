"""A real Triton helps below a confidence, and is never needed."""

import pytest

from tests.e2e.conftest import cloud_client
from tests.stage import examples, traffic
from tests.stage.product import Product


def test_the_devices_are_as_accurate_as_the_edge_model_says(digits: Product) -> None:
    variants = digits.kubectl.get("edgemodel", "digits")["spec"]["variants"]
    recorded = next(float(variant["accuracy"]) for variant in variants if variant["name"] == "int8")
    answers = ask_all(digits, "accuracy-client")
    assert answers.failed == 0, answers.errors
    assert answers.accuracy == pytest.approx(recorded, abs=0.002)  # other processors round differently


def test_unsure_answers_are_asked_again_and_get_better(digits: Product) -> None:
    by_itself = ask_all(digits, "alone-client")
    examples.cloud_help(digits)
    helped = ask_all(digits, "helped-client")
    assert helped.failed == 0, helped.errors
    assert 0 < helped.sources["target:cloud"] < 0.3 * helped.answered
    assert helped.accuracy > by_itself.accuracy


def test_with_the_cloud_gone_the_local_answer_stands(digits: Product) -> None:
    examples.cloud_help(digits)
    client = cloud_client(digits, "gone-client", digits.status()["url"])
    digits.kubectl("scale", "deployment/triton", "--replicas=0")
    digits.kubectl.wait(
        "triton is gone", lambda: not digits.kubectl.get("pods", "", "-l", "app.kubernetes.io/name=triton")["items"], 60
    )
    client.wait_answered(client.answers().answered + 500)
    answers = client.stop()
    assert answers.failed == 0, answers.errors
    digits.kubectl("scale", "deployment/triton", "--replicas=1")


def ask_all(product: Product, name: str) -> traffic.Answers:
    """Every held-out image once."""
    client = traffic.Client(product.status()["url"], rate=100, count=1000, selector={"edgewise.dev/tier": "cloud"})
    return traffic.start(product.kubectl, product.images["runtime-cpu"], name, client).finish()
