"""Simulated nodes by the hundred: kwok answers for their kubelets, so everything above the kubelet is real.

Each carries the annotation and the label `kwok.x-k8s.io/node`, and a taint that only what asks for the crowd tolerates.
"""

from typing import Any

from tests.cluster import binaries
from tests.cluster.client import Client
from tests.cluster.controlplane import ControlPlane
from tests.cluster.kubelet import LEASE_SECONDS
from tests.cluster.waiting import wait_for

MARK = "kwok.x-k8s.io/node"
_CAPACITY = {"cpu": "4", "memory": "8Gi", "pods": "110"}


def gather(plane: ControlPlane, count: int) -> None:
    """Has exactly `count` simulated nodes, `crowd-0` and so on, all Ready."""
    process = plane.processes.start("kwok", _command(plane))
    present = _members(plane.client)
    wanted = {f"crowd-{number}" for number in range(count)}
    for name in sorted(present - wanted):
        plane.client.raw("DELETE", f"/api/v1/nodes/{name}")
    for name in sorted(wanted - present):
        plane.client.post("/api/v1/nodes", _node(name))
    wait_for(f"{count} simulated nodes are Ready", lambda: _ready(plane.client) == count, process, timeout=120)


def _command(plane: ControlPlane) -> list[str]:
    program = binaries.KWOK.path()
    kubeconfig = plane.authority.kubeconfig("kwok", plane.url, "kwok", ("system:masters",))
    return [
        str(program),
        f"--kubeconfig={kubeconfig}",
        f"--manage-nodes-with-annotation-selector={MARK}=fake",
        f"--node-lease-duration-seconds={LEASE_SECONDS}",
        *(f"--config={file}" for file in sorted(program.parent.glob("*.yaml"))),
    ]


def _node(name: str) -> dict[str, object]:
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "arm64", MARK: "fake"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": {MARK: "fake"}},
        "spec": {"taints": [{"key": MARK, "value": "fake", "effect": "NoSchedule"}]},
        "status": {"capacity": _CAPACITY, "allocatable": _CAPACITY},
    }


def _members(client: Client) -> set[str]:
    return {node["metadata"]["name"] for node in _crowd(client)}


def _ready(client: Client) -> int:
    conditions = [condition for node in _crowd(client) for condition in node["status"].get("conditions", [])]
    return sum(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _crowd(client: Client) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = client.get(f"/api/v1/nodes?labelSelector={MARK}%3Dfake")["items"]
    return nodes
