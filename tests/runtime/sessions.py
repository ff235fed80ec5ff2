"""Sessions that a test holds in its hand: they run when it lets them, and keep a list of what they were asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgewise_runtime.engines.base import Array, TensorSpec
from edgewise_runtime.metrics import Metrics
from edgewise_runtime.models import ServedModel
from edgewise_runtime.scheduling.dispatch import Dispatch
from edgewise_runtime.statistics import Statistics
from edgewise_runtime.tuning.choice import Choice


def doubled(feeds: Mapping[str, Array]) -> list[Array]:
    return [feeds["x"] * 2]


class Gated:
    """y = 2x, or whatever `answer` makes of it, as soon as `gate` is open."""

    platform = "test"
    lost = ""
    inputs = (TensorSpec("x", "FP32", (-1,)),)
    outputs = (TensorSpec("y", "FP32", (-1,)),)

    def __init__(self, answer: Callable[[Mapping[str, Array]], list[Array]] = doubled, provider: str = "CPU") -> None:
        self.gate = threading.Event()
        self.asked: list[list[float]] = []
        """The values of each run, as they came."""
        self.provider = provider
        self._answer = answer

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        assert self.gate.wait(30.0), "the test forgot to open the gate"
        self.asked.append([float(value) for value in feeds["x"].ravel()])
        return self._answer(feeds)

    def close(self) -> None:
        """Nothing to give back."""


def model(session: Any, name: str = "gated", **choice: Any) -> ServedModel:
    return ServedModel(name, "1", "test", session, choice=Choice(**choice))


def values(*numbers: float) -> dict[str, Array]:
    return {"x": np.array(numbers, np.float32)}


def dispatch(threads: int = 1, max_queue: int = 64) -> Dispatch:
    return Dispatch(threads, max_queue, Metrics(), Statistics())
