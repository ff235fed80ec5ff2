from __future__ import annotations

import pytest

from edgewise.core.observed import Node, ObservedProfile
from edgewise.core.profile import decide
from tests.unit.core.builders import NOW, node, profile


def labelled(name: str) -> Node:
    return node(name, profile_edgewise_dev__cpu="")


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        pytest.param([], (0, "NoNodesYet", "no node carries the labels of nodeSelectorTerms"), id="no node"),
        pytest.param(
            [node("a")], (0, "NoNodesYet", "no node carries the labels of nodeSelectorTerms"), id="no label yet"
        ),
        pytest.param([labelled("a"), node("b")], (1, "Accepted", "1 node of this class"), id="one"),
        pytest.param([labelled("a"), labelled("b")], (2, "Accepted", "2 nodes of this class"), id="two"),
    ],
)
def test_a_profile_counts_its_nodes_and_is_ready_without_any(nodes: list[Node], expected: tuple[int, str, str]) -> None:
    status = decide(ObservedProfile(profile(), tuple(nodes)), NOW).status
    assert status is not None
    (condition,) = status["conditions"]
    assert condition["status"] == "True"
    assert (status["nodes"], condition["reason"], condition["message"]) == expected
