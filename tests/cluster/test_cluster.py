"""What tests may do to nodes, and what nodes do then. Every test leaves the cluster as it found it."""

import secrets
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.busybox import BUSYBOX_IMAGE
from tests.cluster.cluster import Cluster, users_kubeconfig
from tests.cluster.node import Node
from tests.cluster.waiting import wait_for

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(users_kubeconfig() is not None, reason="only nodes of our own can be cut and rebooted"),
]

_PODS = "/api/v1/namespaces/default/pods"
_SERVE = "date >> /disk/starts; mkdir -p /www; echo here > /www/index.html; exec httpd -f -p 8080 -h /www"


class Witness:
    """A pod with a web server on one node."""

    def __init__(self, cluster: Cluster, node: Node) -> None:
        self.cluster = cluster
        self.node = node
        self.name = f"witness-{secrets.token_hex(3)}"
        self.path = f"{_PODS}/{self.name}"

    @property
    def state(self) -> dict[str, Any]:
        """The state of its container."""
        found = self.cluster.client.get(self.path)["status"].get("containerStatuses", [{}])[0]
        return dict(found)

    def wait_restarts(self, count: int) -> None:
        """Returns when its container has been restarted that often, and runs."""
        wait_for(f"restart {count}", lambda: self.state.get("restartCount") == count and self.state["ready"])

    def run(self, *argv: str) -> str:
        """Output of a command in its container."""
        return self.node.exec_in_container(self.name, "web", argv).strip()


@pytest.fixture
def witness(cluster: Cluster) -> Iterator[Witness]:
    node = cluster["cpu-0"]
    seen = Witness(cluster, node)
    cluster.client.post(_PODS, _pod(seen.name, node.name))
    try:
        seen.wait_restarts(0)
        yield seen
    finally:
        node.heal()
        node.wait_ready()
        cluster.client.raw("DELETE", seen.path)


def test_a_cut_node_is_not_ready_and_its_pods_go_on(cluster: Cluster, witness: Witness) -> None:
    container = witness.state["containerID"]
    witness.node.cut()
    witness.node.wait_ready(False)
    assert witness.run("wget", "-qO-", "http://127.0.0.1:8080") == "here"
    witness.node.heal()
    witness.node.wait_ready()
    assert witness.state["containerID"] == container


def test_a_slow_node_takes_its_time(witness: Witness) -> None:
    witness.node.slow(delay=0.04)
    connecting = _connect_seconds(witness)
    witness.node.heal()
    assert 0.08 <= connecting < 0.5
    assert _connect_seconds(witness) < 0.08


def test_a_killed_container_is_restarted(witness: Witness) -> None:
    witness.node.kill_container(witness.name, "web")
    witness.wait_restarts(1)


def test_containers_outlive_a_restart_of_the_daemons(witness: Witness) -> None:
    container = witness.state["containerID"]
    witness.node.restart_kubelet_and_containerd()
    witness.node.wait_ready()
    assert witness.run("wget", "-qO-", "http://127.0.0.1:8080") == "here"
    assert witness.state["containerID"] == container


def test_a_power_cycle_ends_containers_and_keeps_the_disk(witness: Witness) -> None:
    witness.node.reboot()
    witness.wait_restarts(1)
    assert len(witness.run("cat", "/disk/starts").splitlines()) == 2


def test_nodes_do_not_share_host_paths(cluster: Cluster, witness: Witness) -> None:
    witness.run("touch", "/cache/mine")
    private = {node.name for node in cluster.nodes.values() if (node.cache_folder / "mine").exists()}
    (witness.node.cache_folder / "mine").unlink()
    assert private == {witness.node.name}


def test_services_and_dns_reach_the_pods(cluster: Cluster, witness: Witness) -> None:
    assert "10.96.0.1" in witness.run("nslookup", "kubernetes.default.svc.cluster.local")


def test_up_heals_what_is_missing(cluster: Cluster) -> None:
    node = cluster["pi-0"]
    node.shut_down()
    assert not node.is_running
    cluster.up()
    assert node.is_running
    assert node.is_ready


def _connect_seconds(witness: Witness) -> float:
    address = witness.cluster.client.get(witness.path)["status"]["podIP"]
    began = time.monotonic()
    with socket.create_connection((address, 8080), timeout=5):
        return time.monotonic() - began


def _pod(name: str, node: str) -> dict[str, object]:
    mounts = [{"name": "disk", "mountPath": "/disk"}, {"name": "cache", "mountPath": "/cache"}]
    volumes = [
        {"name": "disk", "emptyDir": {}},
        {"name": "cache", "hostPath": {"path": "/var/lib/edgewise", "type": "Directory"}},
    ]
    web = {"name": "web", "image": BUSYBOX_IMAGE, "command": ["sh", "-c", _SERVE], "volumeMounts": mounts}
    tolerations = [{"operator": "Exists", "effect": "NoExecute"}]
    spec = {"nodeName": node, "containers": [web], "volumes": volumes, "tolerations": tolerations}
    return {"metadata": {"name": name}, "spec": {**spec, "terminationGracePeriodSeconds": 1}}
