"""What the tests of moves between profiles share: something better, and who has it."""

from __future__ import annotations

from tests.unit.core.builders import ONNX_FP16, anywhere, build, model
from tests.unit.core.world import World

IMAGE = "registry.example/better:1"
BETTER = anywhere("better", priority=50, runtime={"image": IMAGE})
CRASHES = {IMAGE: "CrashLoopBackOff: exit code 1"}
FP16 = model("digits", build(), build("fp16", ONNX_FP16), version="2.0.0")


def profiles(made: World) -> dict[str, str]:
    """Node -> profile of its pod."""
    return {pod.node: pod.profile for pod in made.pods.values()}


def moved(made: World) -> int:
    """How many serve from BETTER."""
    return sum(profile == BETTER.metadata.name for profile in profiles(made).values())
