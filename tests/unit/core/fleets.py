"""The fleets, models and profiles that the tests of whole rollouts share."""

from __future__ import annotations

from typing import Any

from edgewise.core.outcome import Plan
from tests.unit.core.builders import ONNX_FP16, ONNX_INT8, TPU_INT8, anywhere, build, model, node, profile, released
from tests.unit.core.world import World, world

PI = [node(f"pi-{i}") for i in range(1, 6)]
V1, V2 = model(version="1.0.0"), model(version="2.0.0")
A, B = released(V1).name, released(V2).name
JETSON = profile("jetson", ONNX_FP16, ONNX_INT8, priority=900, runtime={"platform": "jetpack-6"})
CORAL = profile("coral", TPU_INT8, priority=500, runtime={"engine": "LiteRT"})
CPU = anywhere("cpu")
BOTH = [build("fp16", ONNX_FP16), build("tpu", TPU_INT8)]
"""A build for JETSON and one for CORAL."""


def settled(*args: Any, **spec: Any) -> World:
    """A world that has come to rest."""
    made = world(*args, **spec)
    made.settle()
    return made


def kinds(plan: Plan) -> list[str]:
    """Children a plan applies, as `Kind/name`."""
    return [f"{one['kind']}/{one['metadata']['name']}" for one in plan.apply]


def nodes(of: World) -> dict[str, int]:
    """Counts of the status that are not zero."""
    return {name: count for name, count in of.status["nodes"].items() if count}
