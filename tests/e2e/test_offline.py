"""A device cut off from the network goes on answering the clients on it, and loses nothing when the link heals."""

import sys
import time

from tests.stage import examples, traffic
from tests.stage.product import Product

DEVICE = "pi-0"
GRACE = 30.0


def client_on_the_device(product: Product, name: str) -> traffic.Traffic:
    """An ordinary pod beside the runtime, through localURL: a cluster IP, since a cut device has no DNS."""
    url = product.status()["localURL"]
    return traffic.start(
        product.kubectl, product.images["runtime-cpu"], name, traffic.Client(url, rate=10, node=DEVICE)
    )


def test_a_cut_device_answers_every_request_until_and_after_the_link_heals(digits: Product) -> None:
    client = client_on_the_device(digits, "offline-client")
    device = digits.cluster[DEVICE]
    device.cut()
    device.wait_ready(False)
    digits.kubectl.wait("status counts it offline", lambda: digits.status()["nodes"]["offline"] == 1, 30)
    assert digits.kubectl.condition("edgedeployment", "digits")["status"] == "True"
    device.heal()
    device.wait_ready()
    time.sleep(GRACE)  # the half minute after healing is when a Service likes to drop traffic
    answers = client.stop()
    assert answers.failed == 0, answers.errors
    assert answers.answered > 10 * GRACE


def test_a_runtime_killed_on_a_cut_device_comes_back_from_its_cache(digits: Product) -> None:
    client = client_on_the_device(digits, "killed-client")
    device, pod = digits.cluster[DEVICE], digits.pods("digits")[DEVICE]["metadata"]["name"]
    device.cut()
    try:
        device.kill_container(pod, "runtime", digits.kubectl.namespace)
        # Restarted at once, or after the kubelet's back-off when the container was killed not long ago.
        digits.kubectl.wait("the runtime answers on the cut device", lambda: answers_there(digits), 90, every=1)
        time.sleep(10)  # the client's log, read after healing, must show that it stays so
    finally:
        device.heal()
    device.wait_ready()
    healed = time.time()
    client.wait_answered(client.answers().answered + 20)
    lines = client.lines()
    client.remove()
    during = traffic.total(line for line in lines if line["at"] < healed)
    last = traffic.total(line for line in lines if healed - 8 < line["at"] < healed)
    assert during.failed > 0, "the kill was not noticed: this test proves nothing"
    assert last.answered > 0
    assert last.failed == 0, last.errors


def test_a_device_that_slept_through_an_update_takes_it_when_it_returns(digits: Product) -> None:
    device = digits.cluster[DEVICE]
    device.cut()
    device.wait_ready(False)
    examples.apply(digits, "02-model-update")
    examples.wait_version(digits, "1.1.0", 90)
    assert "1 offline" in digits.kubectl.condition("edgedeployment", "digits")["message"]
    device.heal()
    digits.kubectl.wait("the device serves 1.1.0", lambda: digits.status()["nodes"]["updated"] == 5, 60)


def test_a_device_whose_kubelet_is_silent_is_not_offline_while_it_reports(digits: Product) -> None:
    with digits.cluster[DEVICE].silent_kubelet():
        digits.cluster[DEVICE].wait_ready(False)
        examples.apply(digits, "02-model-update")
        examples.wait_version(digits, "1.1.0", 60)
        digits.kubectl.wait("it has been asked, and follows", lambda: digits.status()["nodes"]["updated"] == 5, 30)
        assert not digits.cluster[DEVICE].is_ready
    digits.cluster[DEVICE].wait_ready()


def answers_there(product: Product) -> bool | None:
    """Whether the runtime is ready, asked on the device's own network."""
    url = f"{product.status()['localURL']}/v2/health/ready"
    ask = [sys.executable, "-c", f"import urllib.request; urllib.request.urlopen('{url}', timeout=2)"]
    return product.cluster[DEVICE].exec_in_netns(ask).returncode == 0 or None
