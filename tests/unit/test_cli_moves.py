"""What `kubectl edgewise status` says of nodes that move to another profile."""

from __future__ import annotations

import pytest

from edgewise.api.edgedeployment import EdgeDeploymentStatus
from edgewise.api.names import hold_label
from edgewise.cli.fleet import moves, rows
from tests.unit.core.builders import UID, deployment

GOING = {"from": "cpu", "to": "npu", "nodes": 5, "moved": 3}
TRYING = {"trying": ["pi-4"], "triedAt": "2026-11-22T01:02:03Z"}
REFUSED = {"refused": "pi-4 does not serve from npu, and goes back to cpu: CrashLoopBackOff"}


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ({}, "3 of 5 nodes from cpu to npu"),
        (TRYING, "3 of 5 nodes from cpu to npu; pi-4 on the way since 2026-11-22T01:02:03Z"),
        ({**TRYING, **REFUSED}, f"3 of 5 nodes from cpu to npu; {REFUSED['refused']}"),
    ],
)
def test_a_move_in_a_line(said: dict[str, str], line: str) -> None:
    assert moves(EdgeDeploymentStatus.model_validate({"moves": [{**GOING, **said}]})) == [line]


def test_a_node_that_waits_for_its_turn_says_so() -> None:
    node = {"metadata": {"name": "pi-1", "labels": {hold_label(UID): "cpu"}}, "status": {}}
    pod = {
        "metadata": {
            "name": "digits-cpu-x",
            "namespace": "edge",
            "uid": "u",
            "labels": {"edgewise.dev/profile": "cpu"},
        },
        "spec": {"nodeName": "pi-1"},
    }
    (row,) = rows(deployment(), [node], [pod])
    assert (row.profile, row.why) == ("cpu", "stays with cpu until it is its turn to move")
