"""Where images go when the cluster is not ours."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.apiserver import ApiServer, api_server
from tests.cluster.cluster import Cluster
from tests.cluster.images import Built, NowhereToPutError, distribute
from tests.cluster.platforms import NATIVE

ARCHIVES = {"operator": {NATIVE: Path("operator.tar")}}


@pytest.fixture(scope="module")
def theirs() -> Iterator[ApiServer]:
    """Somebody else's cluster of one node."""
    with api_server() as api:
        add_node(api, "server")
        yield api


@pytest.fixture
def their_machine(theirs: ApiServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that is all of the PATH."""
    monkeypatch.setenv("KUBECONFIG", str(theirs.kubeconfig))
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def add_node(api: ApiServer, name: str) -> None:
    api.client.post("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})


def install_k3s(folder: Path) -> Path:
    k3s, log = folder / "k3s", folder / "log"
    k3s.write_text(f'#!/bin/sh\necho "$@" >> {log}\n')
    k3s.chmod(0o755)
    return log


pytestmark = pytest.mark.apiserver


def test_without_a_registry_or_a_k3s_here_a_person_is_told_what_to_give(their_machine: Path) -> None:
    with pytest.raises(NowhereToPutError, match="REGISTRY=host/path"):
        distribute(Cluster(), Built(archives=ARCHIVES))


def test_what_is_in_a_registry_is_left_to_the_cluster_to_pull(their_machine: Path) -> None:
    distribute(Cluster(), Built(archives=ARCHIVES, pushed=True))


def test_a_k3s_on_this_machine_imports_the_archives(their_machine: Path) -> None:
    log = install_k3s(their_machine)
    distribute(Cluster(), Built(archives=ARCHIVES))
    assert log.read_text() == "ctr images import operator.tar\n"


def test_an_import_that_would_reach_one_node_of_many_is_refused(theirs: ApiServer, their_machine: Path) -> None:
    log = install_k3s(their_machine)
    add_node(theirs, "agent")
    try:
        with pytest.raises(NowhereToPutError, match="has 2 nodes, and an import reaches only the K3s on this machine"):
            distribute(Cluster(), Built(archives=ARCHIVES))
    finally:
        theirs.client.raw("DELETE", "/api/v1/nodes/agent")
    assert not log.exists()
