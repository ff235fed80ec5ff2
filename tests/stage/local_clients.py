"""Clients that stand beside the runtimes they ask: an ordinary pod on each device of a deployment, through localURL."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tests.stage import traffic
from tests.stage.product import Product


@contextmanager
def on_every_device(
    product: Product, deployment: str = "digits", rate: float = 5.0
) -> Iterator[dict[str, traffic.Traffic]]:
    """By node, until the block ends; each has had its first answers."""
    url, image = product.status(deployment)["localURL"], product.images["runtime-cpu"]

    def start(node: str) -> traffic.Traffic:
        return traffic.start(product.kubectl, image, f"local-{node}", traffic.Client(url, rate=rate, node=node))

    nodes = list(product.pods(deployment))
    with ThreadPoolExecutor() as pool:
        clients = dict(zip(nodes, pool.map(start, nodes), strict=True))
    try:
        yield clients
    finally:
        for client in clients.values():
            client.remove()
