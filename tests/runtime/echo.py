"""A session of a test: gives its input back, fails when told to, waits when told to."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edgewise_runtime.engines.base import Array, TensorSpec


@dataclass(eq=False)
class Echo:
    """Gives its input x back under another name; may fail, or take its time."""

    name: str = "y"
    provider: str = "CPU"
    lost: str = ""
    error: Exception | None = None
    going: threading.Event | None = None
    begun: threading.Event = field(default_factory=threading.Event)
    closed: int = 0
    platform: str = "test"
    inputs: tuple[TensorSpec, ...] = (TensorSpec("x", "FP32", (-1,)),)

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return (TensorSpec(self.name, "FP32", (-1,)),)

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        self.begun.set()
        if self.going is not None:
            assert self.going.wait(10)
            assert not self.closed
        if self.error is not None:
            raise self.error
        return [feeds["x"] for _ in outputs]

    def close(self) -> None:
        self.closed += 1
