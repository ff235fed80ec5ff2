"""A real Triton helps below a confidence, and is never needed."""

from tests.e2e.conftest import cloud_client
from tests.stage import examples
from tests.stage.product import Product


def test_unsure_answers_are_asked_again_and_get_better(digits: Product) -> None:
    alone = cloud_client(digits, "alone-client", digits.status()["url"])
    alone.wait_answered(1000)
    by_itself = alone.stop()
    examples.cloud_help(digits)
    helped_client = cloud_client(digits, "helped-client", digits.status()["url"])
    helped_client.wait_answered(1000)
    helped = helped_client.stop()
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
