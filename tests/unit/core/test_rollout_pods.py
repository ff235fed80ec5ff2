"""What a rollout does to pods and profiles, beside the release that devices serve."""

from __future__ import annotations

import pytest

from edgewise.api.edgemodel import EdgeModel
from tests.unit.core.builders import ONNX_FP16, build, model, node, released
from tests.unit.core.fleets import BOTH, CORAL, CPU, JETSON
from tests.unit.core.rollouts import (
    SOAK,
    after,
    fleet,
    having,
    roll,
)


def test_pods_for_a_bigger_model_are_made_wave_by_wave() -> None:
    bigger = model(version="2.0.0", variants=[build(memory="400Mi")])
    made = fleet()
    pods = {pod.node: pod.template for pod in made.pods.values()}
    roll(made, bigger)
    for wave in (1, 3):
        replaced = {pod.node for pod in made.pods.values() if pod.template != pods[pod.node]}
        assert (len(replaced), replaced) == (wave, having(made, released(bigger).name))
        after(made, SOAK)
    after(made, SOAK)
    assert not {pod.template for pod in made.pods.values()} & set(pods.values())
    assert made.ready == ("True", "Serving")


BETTER = model("digits", build(), build("fp16", ONNX_FP16), version="2.0.0")


ELSEWHERE = model("digits", build("fp16", ONNX_FP16), version="2.0.0")


@pytest.mark.parametrize("second", [BETTER, ELSEWHERE], ids=["a better build there", "no build where they are"])
def test_nobody_moves_to_another_profile_before_its_wave(second: EdgeModel) -> None:
    """Who is not released yet would find nothing to serve there."""
    made = fleet([node(f"pi-{i}", "jetson") for i in range(1, 7)], profiles=[CPU, JETSON])
    made.release(second)
    for look in range(40):
        made.reconcile()
        assert made.plan is not None
        moved = {pod.node for pod in made.pods.values() if pod.profile == "jetson"}
        assert {made.plan.wanted(name) for name in moved} <= {released(second).name}
        made.live()
        assert len(made.served()) == 6, "everybody serves something at every look"
        made.now += SOAK * (look % 4 == 3)
    assert {pod.profile for pod in made.pods.values()} == {"jetson"}
    assert set(made.served().values()) == {released(second).name}
    assert made.ready == ("True", "Serving")


def test_a_node_the_new_version_has_nothing_for_keeps_the_stable_one_and_holds_no_wave() -> None:
    first, second = model("digits", *BOTH), model("digits", BOTH[0], version="2.0.0")
    nodes = [node(f"orin-{i}", "jetson") for i in range(4)] + [node("stick", "coral")]
    made = roll(fleet(nodes, profiles=[CORAL, JETSON], models=[first]), second)
    for _ in range(4):
        after(made, SOAK)
    assert made.ready == ("True", "Serving")
    assert made.served() == {**{f"orin-{i}": released(second).name for i in range(4)}, "stick": released(first).name}
    assert made.status["release"] == {"stable": released(first).name, "target": released(second).name}
