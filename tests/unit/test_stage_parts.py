"""Who plays what when the demo runs on somebody's own cluster."""

from typing import Any

import pytest

from tests.stage.parts import CLOUD, DEVICE, Label, NoFittingNodesError, missing

SERVER = "node-role.kubernetes.io/control-plane"


def node(name: str, *labels: str, arch: str = "amd64", ready: bool = True, **spec: Any) -> dict[str, Any]:
    keys = dict(label.partition("=")[::2] for label in labels)
    condition = {"type": "Ready", "status": "True" if ready else "Unknown"}
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/arch": arch, **keys}},
        "spec": spec,
        "status": {"conditions": [condition]},
    }


def device(name: str) -> Label:
    return Label(name, DEVICE, "")


def cloud(name: str) -> Label:
    return Label(name, CLOUD, "cloud")


@pytest.mark.parametrize(
    ("nodes", "labels"),
    [
        pytest.param([node("one", SERVER)], [cloud("one"), device("one")], id="one node plays both"),
        pytest.param(
            [node("pi"), node("server", SERVER), node("nuc")],
            [cloud("server"), device("pi"), device("nuc")],
            id="the server is the cloud, all others are devices",
        ),
        pytest.param([node("a", DEVICE), node("b")], [cloud("b")], id="chosen devices stay the only ones"),
        pytest.param([node("a", f"{CLOUD}=cloud"), node("b")], [device("b")], id="so does a cloud node"),
        pytest.param([node("a", DEVICE, f"{CLOUD}=cloud")], [], id="everything is there"),
        pytest.param(
            [node("a"), node("b", unschedulable=True), node("c", ready=False), node("d", arch="arm64")],
            [cloud("a"), device("a")],
            id="a cordoned, a dead and a strange node play nothing",
        ),
        pytest.param(
            [node("server", SERVER, taints=[{"key": "x", "effect": "NoSchedule"}]), node("b")],
            [cloud("b"), device("b")],
            id="nor does a tainted one",
        ),
    ],
)  # fmt: skip
def test_each_part_is_given_to_a_node_that_can_play_it(nodes: list[dict[str, Any]], labels: list[Label]) -> None:
    assert missing(nodes, "amd64") == labels


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ([], "it has none"),
        ([node("a", ready=False), node("b", unschedulable=True)], "a: not Ready; b: cordoned"),
        ([node("a"), node("pi", DEVICE, arch="arm64")], f"kubectl label node pi {DEVICE}-"),
    ],
)
def test_a_cluster_that_cannot_play_is_told_what_to_change(nodes: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(NoFittingNodesError, match=said.replace(".", r"\.")):
        missing(nodes, "amd64")
