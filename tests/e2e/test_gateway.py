"""Every device of the placement is cut off: the gateway answers, asking a real Triton, and gives the Service back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from edgewise.api.names import GATEWAY_ROLE, RUNTIME_ROLE
from tests.cluster.nodes import EDGE_ROLE
from tests.stage import examples, traffic
from tests.stage.product import Product

CLOUD = {"edgewise.dev/tier": "cloud"}
LATE = 8.0
"""Seconds after a switch in which a client may still hear of requests it sent before: its own timeout, and a second for
each kube-proxy."""
FRESH = 5.0
"""Connections a second of a client that keeps none. The kernel tracks one that a dead device never answered for two
minutes, and hands a new one from the same port to the same device; at 20 a second the ports come round in one."""


@pytest.fixture
def relieved(digits: Product) -> Iterator[Product]:
    """Digits with the cloud's help, and a gateway that stands by."""
    examples.cloud_help(digits)
    digits.kubectl.wait("the gateway stands by", lambda: gateway(digits).get("ready") == 1, 120)
    yield digits
    for node in digits.cluster.nodes.values():
        node.heal()
    served_by(digits, "Devices")
    examples.wait_settled(digits)


def test_the_gateway_is_no_device_and_not_on_one(relieved: Product) -> None:
    pods = relieved.kubectl.get("pods", "", "-l", f"edgewise.dev/role={GATEWAY_ROLE}")["items"]
    assert {pod["spec"]["nodeName"] for pod in pods} == {"cloud-0"}
    assert relieved.status()["nodes"]["matched"] == 5
    assert leads_to(relieved) == RUNTIME_ROLE


def test_with_every_device_cut_off_it_answers_and_gives_back_and_no_request_fails(relieved: Product) -> None:
    url = relieved.status()["url"]
    fresh = start(relieved, "fresh-client", traffic.Client(url, rate=FRESH, selector=CLOUD))
    kept = start(relieved, "kept-client", traffic.Client(url, rate=20, selector=CLOUD, keep_alive=True))
    for client in (fresh, kept):
        client.wait_answered(10)
    cut_all(relieved)
    served_by(relieved, "Gateway")
    assert leads_to(relieved) == GATEWAY_ROLE
    took_over = moment(gateway(relieved)["tookOverAt"]) + LATE
    for client in (fresh, kept):
        wait_answered_since(client, took_over, 50)
        during = client.answers(since=took_over)
        assert (during.failed, set(during.sources)) == (0, {"target:cloud"}), during.errors
    assert "the gateway answers" in relieved.kubectl.condition("edgedeployment", "digits")["message"]
    for node in relieved.cluster.nodes.values():
        node.heal()
    served_by(relieved, "Devices")
    assert leads_to(relieved) == RUNTIME_ROLE
    gave_back = moment(gateway(relieved)["gaveBackAt"])
    assert gave_back - moment(gateway(relieved)["tookOverAt"]) > 60
    for client in (fresh, kept):
        wait_answered_since(client, gave_back + LATE, 50)
        assert client.answers(since=gave_back + LATE).sources["device"] > 0, "kept connections ended, too"
        answers = client.answers(since=took_over)
        assert answers.failed == 0, answers.errors
        client.remove()
    assert reasons(relieved) >= {"GatewayTookOver", "GatewayGaveBack"}


def start(product: Product, name: str, client: traffic.Client) -> traffic.Traffic:
    return traffic.start(product.kubectl, product.images["runtime-cpu"], name, client)


def cut_all(product: Product) -> None:
    """Every device, and nothing else."""
    devices = [node for node in product.cluster.nodes.values() if EDGE_ROLE in node.spec.labels]
    product.cluster.each(lambda node: node.cut(), devices)


def gateway(product: Product) -> dict[str, Any]:
    found: dict[str, Any] = product.status().get("gateway", {})
    return found


def served_by(product: Product, who: str) -> None:
    """Waits for it: 50 s until Kubernetes misses a node, half a minute of patience; a minute on the way back."""
    product.kubectl.wait(f"the Service is served by: {who}", lambda: product.status().get("servedBy") == who, 240)


def leads_to(product: Product) -> str:
    selector = product.kubectl.get("service", "digits")["spec"]["selector"]
    return str(selector["edgewise.dev/role"])


def wait_answered_since(client: traffic.Traffic, since: float, count: int) -> None:
    client.kubectl.wait(
        f"{client.name}: {count} answers", lambda: client.answers(since=since).answered >= count or None, 90, every=0.5
    )


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def reasons(product: Product) -> set[str]:
    """Of the events about the deployment."""
    about = "involvedObject.kind=EdgeDeployment,involvedObject.name=digits"
    return {event["reason"] for event in product.kubectl.get("events", "", "--field-selector", about)["items"]}
