"""What of the cluster runs, as a table for a person."""

from tests.cluster.client import ApiError
from tests.cluster.cluster import Cluster
from tests.cluster.node import Node
from tests.cluster.process import Process


def table(cluster: Cluster) -> str:
    """One line a process of the control plane and one a node."""
    plane = [f"{process.name:<28}{_process(process)}" for process in cluster.plane.processes.all()]
    if not plane:
        return "down"
    return "\n".join([*plane, *(f"node {node.name:<23}{_node(node)}" for node in cluster.nodes.values())])


def _process(process: Process) -> str:
    return f"running, process {process.pid}" if process.alive else f"dead, see {process.log}"


def _node(node: Node) -> str:
    if not node.machine.is_on:
        return "off"
    daemons = "running" if node.is_running else f"daemon dead, see {node.processes.folder}"
    return f"{_ready(node)}, {daemons}, link {_link(node)}"


def _ready(node: Node) -> str:
    try:
        return "Ready" if node.is_ready else "NotReady"
    except (ApiError, OSError):
        return "unknown to the API server"


def _link(node: Node) -> str:
    return "cut" if node.link.is_cut else "slow" if node.link.is_slow else "up"
