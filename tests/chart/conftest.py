"""What the chart's tests share: both helms, and an API server in which the chart is installed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chart.helm import CHART, NAMESPACE, RELEASE, Helm
from tests.cluster import binaries
from tests.cluster.apiserver import ApiServer, api_server

HELMS = {"helm 3": binaries.HELM, "helm 4": binaries.HELM_4}
# The last one checks the types of admission policies and writes the result into their status.
CONTROLLERS = ",".join(
    f"{name}-controller"
    for name in ("namespace", "garbage-collector", "serviceaccount", "validatingadmissionpolicy-status")
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What judges the audit log of all tests comes after all tests."""
    items.sort(key=lambda item: "in_all_the_end_to_end_tests" in item.name)


@pytest.fixture(scope="session", params=HELMS.values(), ids=tuple(HELMS))
def helm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Each helm in turn."""
    tool: binaries.Tool = request.param
    return Helm(tool.path(), tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def helm_3(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm(binaries.HELM.path(), tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def helm_4(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm(binaries.HELM_4.path(), tmp_path_factory.mktemp("helm"))


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[ApiServer]:
    """An API server that has never seen edgewise."""
    with api_server(controllers=CONTROLLERS) as api:
        create_namespace(api)
        yield api


@pytest.fixture(scope="session")
def installed(helm_4: Helm) -> Iterator[ApiServer]:
    """An API server with the chart in it, as its default values make it; shared, so leave its objects alone."""
    with api_server(controllers=CONTROLLERS) as api:
        create_namespace(api)
        replace(helm_4, kubeconfig=api.kubeconfig).run("install", RELEASE, CHART, "-n", NAMESPACE)
        yield api


def create_namespace(api: ApiServer) -> None:
    """The chart's namespace, as strict as Kubernetes knows."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    api.client.post("/api/v1/namespaces", {"metadata": {"name": NAMESPACE, "labels": labels}})
