"""What nobody could help with waits on the devices, outlives their restart, and is collected when there is a way."""

import urllib.request

import pytest

from tests.stage import examples, traffic
from tests.stage.product import Product

REQUESTS = 400


@pytest.fixture
def hard(digits: Product) -> Product:
    """Devices that keep what they are unsure of: neither Triton nor the collector is there."""
    examples.collector(digits)
    gone(digits, "collector")
    gone(digits, "triton")
    examples.apply(digits, "09-store-and-forward")
    digits.kubectl.wait("devices follow the new plan", lambda: examples.followed(digits) or None, 60)
    examples.wait_settled(digits)
    return digits


def gone(product: Product, name: str) -> None:
    if product.kubectl.exists("deployment", name):
        product.kubectl("scale", f"deployment/{name}", "--replicas=0")
        product.kubectl("wait", "pod", "-l", f"app.kubernetes.io/name={name}", "--for=delete", "--timeout=60s")
        product.kubectl("wait", "pod", "-l", f"app={name}", "--for=delete", "--timeout=60s")


def kept(product: Product) -> dict[str, float]:
    """{pod: examples that wait there}."""
    return {pod: sample(product, pod, "edgewise_spool_examples") for pod in pods(product)}


def all_kept(product: Product) -> dict[str, float]:
    """As `kept`, once all of it is on the disks: a flood of examples is written at leisure."""
    seen = list[dict[str, float]]()

    def steady() -> dict[str, float] | None:
        seen.append(kept(product))
        return seen[-1] if len(seen) > 2 and seen[-1] == seen[-2] == seen[-3] else None

    return product.kubectl.wait("no more examples are being written", steady, 60, every=2.0)


def pods(product: Product) -> list[str]:
    return [pod["metadata"]["name"] for pod in product.pods("digits").values()]


def sample(product: Product, pod: str, name: str) -> float:
    path = f"/api/v1/namespaces/{product.kubectl.namespace}/pods/{pod}:8002/proxy/metrics"
    lines = product.kubectl("get", "--raw", path).splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.partition("{")[0].split()[0] == name)


def collected(product: Product) -> list[str]:
    """Names of the examples that the collector has."""
    with (
        product.kubectl.forward("svc/collector", 8080) as address,
        urllib.request.urlopen(f"http://{address}/", timeout=10) as answer,
    ):
        text: str = answer.read().decode()
    return text.split()


def test_hard_requests_outlive_an_outage_and_a_restart_and_are_collected_once(hard: Product) -> None:
    client = traffic.Client(hard.status()["url"], rate=50, count=REQUESTS, selector={"edgewise.dev/tier": "cloud"})
    answers = traffic.start(hard.kubectl, hard.images["runtime-cpu"], "hard-client", client).finish()
    assert answers.failed == 0, answers.errors
    waiting = all_kept(hard)
    assert sum(waiting.values()) > 0
    restarted = max(waiting, key=lambda pod: waiting[pod])
    hard.kubectl("exec", restarted, "--", "/bin/sh", "-c", "kill -TERM 1")
    hard.kubectl.wait("the container runs again", lambda: restarts(hard, restarted) or None, 60)
    hard.kubectl.wait("its examples are there again", lambda: kept(hard) == waiting, 60)

    hard.kubectl("scale", "deployment/collector", "--replicas=1")
    hard.kubectl("rollout", "status", "deployment/collector", "--timeout=60s")
    hard.kubectl.wait("nothing waits any more", lambda: not any(kept(hard).values()) or None, 400, every=2.0)
    assert len(collected(hard)) == sum(waiting.values())


def restarts(product: Product, pod: str) -> int:
    state = product.kubectl.get("pod", pod)["status"]["containerStatuses"][0]
    return int(state["restartCount"]) if state["ready"] else 0
