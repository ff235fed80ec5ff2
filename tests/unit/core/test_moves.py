"""Which profile a node takes, and what it keeps when there is nothing for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.core.builders import (
    GIB,
    ONNX_FP16,
    ONNX_INT8,
    TPU_INT8,
    build,
    model,
    node,
    released,
)
from tests.unit.core.fleets import BOTH, CORAL, CPU, JETSON, PI, A, nodes, settled
from tests.unit.core.world import world


def test_a_model_without_a_coral_build_lands_on_the_same_nodes_cpu() -> None:
    made = settled([node("box", "coral")], [CPU, CORAL])
    assert made.status["profiles"] == [
        {
            "name": "coral", "nodes": 0, "ready": 0,
            "reason": "digits/fp32: LiteRT does not load ONNX",
        },
        {"name": "cpu", "variant": "digits/fp32", "workload": "digits-cpu", "nodes": 1, "ready": 1, "reason": ""},
    ]  # fmt: skip


def test_each_node_runs_exactly_one_pod_of_its_best_profile() -> None:
    boxes = [node("orin", "jetson"), node("stick", "coral"), node("plain", "none")]
    builds = [build("fp32"), build("fp16", ONNX_FP16), build("tpu", TPU_INT8)]
    made = settled(boxes, [CPU, CORAL, JETSON], [model("digits", *builds)])
    assert {pod.node: pod.profile for pod in made.pods.values()} == {"orin": "jetson", "stick": "coral", "plain": "cpu"}
    assert len(made.pods) == 3
    assert made.ready == ("True", "Serving")


def test_a_new_version_with_a_better_build_moves_the_node() -> None:
    made = settled([node("orin", "jetson")], [CPU, JETSON])
    assert {pod.profile for pod in made.pods.values()} == {"cpu"}
    made.release(model("digits", build(), build("fp16", ONNX_FP16), version="2.0.0"))
    made.settle()
    assert [(pod.node, pod.profile) for pod in made.pods.values()] == [("orin", "jetson")]
    assert made.ready == ("True", "Serving")
    assert ("DaemonSet", "digits-cpu") not in made.children


def test_a_node_the_new_version_has_no_build_for_keeps_the_stable_release() -> None:
    first, second = model("digits", *BOTH), model("digits", BOTH[0], version="2.0.0")
    old, new = released(first).name, released(second).name
    made = settled([node("orin", "jetson"), node("stick", "coral")], [CORAL, JETSON], [first])
    made.release(second)
    made.settle()
    assert made.served() == {"orin": new, "stick": old}
    assert made.ready == ("True", "Serving")
    assert nodes(made) == {"matched": 1, "ready": 1, "updated": 1, "unplaced": 1}
    assert made.status["unplaced"] == [
        {
            "node": "stick",
            "reason": f"NoBuildInTarget: coral: digits/fp16: LiteRT does not load ONNX; keeps serving {old}",
        }
    ]
    assert made.status["release"] == {"stable": old, "target": new}


def test_and_when_a_later_version_has_one_everything_is_promoted() -> None:
    made = settled([node("orin", "jetson"), node("stick", "coral")], [CORAL, JETSON], [model("digits", *BOTH)])
    made.release(model("digits", BOTH[0], version="2.0.0"))
    made.settle()
    whole = model("digits", *BOTH, version="3.0.0")
    made.release(whole)
    made.settle()
    assert set(made.served().values()) == {released(whole).name}
    assert made.status["release"]["stable"] == released(whole).name
    assert nodes(made) == {"matched": 2, "ready": 2, "updated": 2}


def test_a_new_version_no_node_has_a_build_for_changes_nothing_that_serves() -> None:
    made = settled(PI)
    made.release(model("digits", build("int8", ONNX_INT8), version="2.0.0"))
    made.settle()
    assert made.ready == ("False", "NoFittingBuild")
    assert set(made.served().values()) == {A}
    (stalled,) = (one for one in made.status["conditions"] if one["type"] == "Stalled")
    assert stalled["message"] == (
        "no build fits the 5 nodes selected: cpu (digits/int8: the profile does not list ONNX INT8); "
        f"5 nodes still served by {A}"
    )


def test_a_new_version_too_big_for_some_nodes_stays_away_from_them() -> None:
    big = model(version="2.0.0", variants=[build(memory="1Gi")])
    made = settled([node("large", memory=8 * GIB), node("small", memory=GIB)])
    pods = dict(made.pods)
    made.release(big)
    made.settle()
    assert made.served() == {"large": released(big).name, "small": A}
    assert made.pods["digits-cpu-small"] == pods["digits-cpu-small"]
    assert made.status["unplaced"][0]["reason"].startswith("InsufficientMemory: ")
    assert made.plan is not None
    assert (made.plan.switch.all, made.plan.switch.nodes) == (False, ["large"])


def test_stricter_requirements_take_nothing_away_from_nodes_they_leave_without_a_build() -> None:
    made = settled(PI, [CPU], [model("digits", build(accuracy="0.9"))])
    children = dict(made.children)
    made.edit(requirements={"minAccuracy": "0.95"})
    made.settle()
    assert made.ready == ("False", "NoFittingBuild")
    assert made.children == children
    assert set(made.served().values()) == {A}


def test_stricter_requirements_leave_a_profile_without_a_build_what_it_serves_while_others_go_on() -> None:
    builds = [build("fp16", ONNX_FP16, accuracy="0.99"), build("tpu", TPU_INT8, accuracy="0.90")]
    first = model("digits", *builds)
    made = settled([node("orin", "jetson"), node("stick", "coral")], [CORAL, JETSON], [first])
    made.edit(requirements={"minAccuracy": "0.95"})
    made.settle()
    assert made.served() == dict.fromkeys(["orin", "stick"], released(first).name)
    assert ("DaemonSet", "digits-coral") in made.children
    assert made.plan is not None
    assert made.plan.profiles["coral"].variants == {released(first).name: {"digits": "tpu"}}
    assert made.status["nodes"]["unplaced"] == 1
    second = model("digits", *builds, version="2.0.0")
    made.release(second)
    made.settle()
    assert made.served() == {"orin": released(second).name, "stick": released(first).name}


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"placement": {"nodeSelector": {"site": "nowhere"}}}, "NoMatchingNode"),
        ({"placement": {"profiles": ["jetson"]}}, "NoFittingBuild"),
    ],
)
def test_a_placement_that_selects_nothing_leaves_everything_as_it_is(spec: dict[str, Any], reason: str) -> None:
    made = settled(PI)
    children, before = dict(made.children), made.status
    made.edit(**spec)
    made.settle()
    assert made.ready == ("False", reason)
    assert made.children == children
    assert set(made.served().values()) == {A}
    assert {key: made.status[key] for key in ("release", "plan", "images")} == {
        key: before[key] for key in ("release", "plan", "images")
    }


def test_a_placement_that_selects_less_takes_the_others_away() -> None:
    made = settled([node("a", site="lab"), node("b", site="shop")])
    made.edit(placement={"nodeSelector": {"site": "lab"}})
    made.settle()
    assert made.served() == {"a": A}
    assert nodes(made) == {"matched": 1, "ready": 1, "updated": 1}


def test_where_nothing_was_ever_placed_nothing_is_written_but_the_status() -> None:
    made = world([node("box", "unknown")])
    plan = made.reconcile()
    assert (plan.apply, made.ready) == ((), ("False", "NoMatchingProfile"))
    assert made.status["unplaced"] == [
        {"node": "box", "reason": "NoMatchingProfile: no DeviceProfile matches its labels"}
    ]
    assert "url" not in made.status


def test_no_more_than_ten_unplaced_nodes_are_named_and_all_are_counted() -> None:
    made = settled([node(f"box-{i:02}", "unknown") for i in range(12)] + PI)
    assert made.status["nodes"]["unplaced"] == 12
    assert [one["node"] for one in made.status["unplaced"]] == [f"box-{i:02}" for i in range(10)]


def test_a_label_in_its_grace_period_moves_nothing() -> None:
    made = settled([node("stick", "coral")], [CORAL], [model("digits", *BOTH)])
    unplugged = made.nodes["stick"]
    made.nodes["stick"] = replace(unplugged, labels={**unplugged.labels, "edgewise.dev/device": "none"})
    children = dict(made.children)
    made.settle()
    assert made.ready == ("True", "Serving")
    assert made.children == children
