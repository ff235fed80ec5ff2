"""Where images go when the cluster is not ours."""

from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.images import Built, NowhereToPutError, distribute


@pytest.fixture
def somebody_elses_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_without_a_registry_or_a_k3s_here_a_person_is_told_what_to_give(somebody_elses_cluster: Path) -> None:
    with pytest.raises(NowhereToPutError, match="REGISTRY=host/path"):
        distribute(Cluster(), Built(archives={"operator": Path("operator.tar")}))


def test_what_is_in_a_registry_is_left_to_the_cluster_to_pull(somebody_elses_cluster: Path) -> None:
    distribute(Cluster(), Built(archives={"operator": Path("operator.tar")}, pushed=True))


def test_a_k3s_on_this_machine_imports_the_archives(somebody_elses_cluster: Path) -> None:
    k3s, log = somebody_elses_cluster / "k3s", somebody_elses_cluster / "log"
    k3s.write_text(f'#!/bin/sh\necho "$@" >> {log}\n')
    k3s.chmod(0o755)
    distribute(Cluster(), Built(archives={"operator": Path("operator.tar")}))
    assert log.read_text() == "ctr images import operator.tar\n"
