"""A real Prometheus reads what operator and runtime say of themselves."""

from pathlib import Path

from tests.e2e.conftest import cloud_client
from tests.stage.product import Product
from tests.stage.prometheus import prometheus


def test_prometheus_sees_requests_on_devices_and_looks_of_the_operator(digits: Product, tmp_path: Path) -> None:
    client = cloud_client(digits, "metrics-client", digits.status()["url"])
    with prometheus(digits, tmp_path) as server:
        client.wait_answered(200)
        wanted = {
            'sum(edgewise_requests_total{model="digits",outcome="ok"})': 100,
            'count(up{job="runtime"} == 1)': 5,
            "sum(edgewise_operator_reconcile_total)": 1,
            'max(edgewise_deployment_nodes{deployment="digits",state="ready"})': 5,
        }
        for expression, least in wanted.items():
            digits.kubectl.wait(expression, lambda e=expression, n=least: server.value(e) >= n or None, 30)  # type: ignore[misc]
    client.stop()


def test_no_metric_has_labels_that_grow_with_the_fleet(digits: Product, tmp_path: Path) -> None:
    with prometheus(digits, tmp_path) as server:
        digits.kubectl.wait("a scrape", lambda: server.value('count(up{job="operator"} == 1)') == 1 or None, 30)
        names = server.query('{__name__=~"edgewise_.+",job="operator"}')
    labels = {key for entry in names for key, _ in entry}
    assert not labels & {"node", "pod", "uid", "ip"}
