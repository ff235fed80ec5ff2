"""Which nodes of a person's own cluster play the devices, and which one the cloud.

The embedded cluster's nodes have these labels from birth. Anybody else's are given them for the demo, and told how to
be rid of them.
"""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.cluster.progress import say
from tests.stage.kubectl import Kubectl

DEVICE = "node-role.kubernetes.io/edge"
CLOUD = "edgewise.dev/tier"
CLOUD_VALUE = "cloud"

_CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class NoFittingNodesError(RuntimeError):
    """The cluster in use cannot play this piece; the message says what to change."""


@dataclass(frozen=True)
class Label:
    """One that a node lacks."""

    node: str
    key: str
    value: str

    @property
    def given(self) -> str:
        return f"{self.key}={self.value}"


def missing(nodes: Sequence[dict[str, Any]], architecture: str) -> list[Label]:
    """The labels to add so that there is a cloud node and at least one device. What a person has labelled stands.

    One node alone plays both. NoFittingNodesError where no node takes the pods, or a device cannot run the images."""
    usable = [node for node in nodes if not _problem(node, architecture)]
    if not usable:
        seen = "; ".join(f"{_name(node)}: {_problem(node, architecture)}" for node in nodes)
        raise NoFittingNodesError(f"no node of this cluster can play a part: {seen or 'it has none'}")
    _refuse_strange_devices(nodes, architecture)
    labels = []
    cloud = [node for node in usable if _labels(node).get(CLOUD) == CLOUD_VALUE]
    if not cloud:
        cloud = [min(usable, key=lambda node: (DEVICE in _labels(node), _CONTROL_PLANE not in _labels(node)))]
        labels.append(Label(_name(cloud[0]), CLOUD, CLOUD_VALUE))
    if not any(DEVICE in _labels(node) for node in usable):
        devices = [node for node in usable if node not in cloud] or usable
        labels += [Label(_name(node), DEVICE, "") for node in devices]
    return labels


def hand_out(kubectl: Kubectl) -> None:
    """Labels the nodes of a person's own cluster, saying so and how to undo it."""
    for label in missing(kubectl.get("nodes")["items"], _ARCHITECTURES.get(platform.machine(), platform.machine())):
        kubectl("label", "node", label.node, label.given)
        say(f"labelled {label.node} {label.given}    undo: kubectl label node {label.node} {label.key}-")


def _refuse_strange_devices(nodes: Sequence[dict[str, Any]], architecture: str) -> None:
    for node in nodes:
        theirs = _labels(node).get("kubernetes.io/arch", architecture)
        if DEVICE in _labels(node) and theirs != architecture:
            raise NoFittingNodesError(
                f"{_name(node)} has the label {DEVICE}, is {theirs}, and the images built here are {architecture}: "
                f"take the label away for the demo (kubectl label node {_name(node)} {DEVICE}-)"
            )


def _problem(node: dict[str, Any], architecture: str) -> str:
    """Why no pod of the demo may go there; empty: it may."""
    conditions = {entry["type"]: entry["status"] for entry in node.get("status", {}).get("conditions", ())}
    theirs = _labels(node).get("kubernetes.io/arch", architecture)
    taints = [taint["key"] for taint in node.get("spec", {}).get("taints", ()) if taint["effect"] != "PreferNoSchedule"]
    if conditions.get("Ready") != "True":
        return "not Ready"
    if node.get("spec", {}).get("unschedulable"):
        return "cordoned"
    if taints:
        return f"tainted {', '.join(taints)}"
    return "" if theirs == architecture else f"{theirs}, and the images built here are {architecture}"


def _labels(node: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = node["metadata"].get("labels", {})
    return found


def _name(node: dict[str, Any]) -> str:
    return str(node["metadata"]["name"])
