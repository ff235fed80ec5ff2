"""The product on the test cluster, once for the whole session; each test says what it wants to find there."""

from collections.abc import Iterator

import pytest

from tests.cluster import audit
from tests.cluster.progress import say
from tests.stage import examples, traffic
from tests.stage.product import Product, raise_curtain


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/e2e" in str(item.path):
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def product() -> Product:
    return raise_curtain()


@pytest.fixture(scope="session")
def model_store(product: Product) -> Product:
    examples.model_store(product)
    return product


@pytest.fixture
def digits(model_store: Product) -> Iterator[Product]:
    """Digits 1.0.0 Ready on all five devices, every link whole; whatever a test did to it is undone afterwards."""
    for node in model_store.cluster.nodes.values():
        node.heal()
    examples.apply(model_store, "01-digits")
    examples.wait_version(model_store, "1.0.0", 120)
    examples.wait_settled(model_store)
    yield model_store
    for node in model_store.cluster.nodes.values():
        node.heal()


def operator_writes(product: Product) -> dict[str, int]:
    """Writes of the operator so far, leases aside, by verb and resource."""
    found: dict[str, int] = {}
    for call, count in audit.calls(product.cluster.audit_log, user=product.operator_user).items():
        if call.verb in ("create", "update", "patch", "delete") and call.resource != "leases":
            found[f"{call.verb} {call.resource}"] = found.get(f"{call.verb} {call.resource}", 0) + count
    return found


def cloud_client(product: Product, name: str, url: str, rate: float = 50.0) -> traffic.Traffic:
    """A client on the cloud node, in front of the deployment's Service."""
    say(f"traffic to {url}")
    where = {"edgewise.dev/tier": "cloud"}
    return traffic.start(
        product.kubectl, product.images["runtime-cpu"], name, traffic.Client(url, rate=rate, selector=where)
    )
