"""Up and down of the whole cluster. Named to run before anything uses it; never takes a cluster that is in use."""

from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster, users_kubeconfig
from tests.cluster.teardown import leftovers

pytestmark = pytest.mark.cluster

_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


def test_a_cluster_leaves_nothing_behind() -> None:
    cluster = Cluster()
    if users_kubeconfig() or leftovers():
        pytest.skip("the machine's cluster is in use: take it down first to run this")
    forwarding = _FORWARDING.read_text()
    cluster.up()
    assert all(node.is_ready for node in cluster.nodes.values())
    cluster.down()
    assert leftovers() == []
    assert _FORWARDING.read_text() == forwarding
    cluster.down()
