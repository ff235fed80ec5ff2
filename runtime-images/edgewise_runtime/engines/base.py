"""What an engine is to the rest of the runtime: tensors by name in, tensors out. Nobody else knows more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a model."""

    name: str
    datatype: str
    """As the Open Inference Protocol writes it, such as FP32 or BYTES."""
    shape: tuple[int, ...]
    """-1: any size."""


class Session(Protocol):
    """A loaded model. `run` may be called from several threads at once; `close` only when no call is in flight."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]: ...

    @property
    def outputs(self) -> tuple[TensorSpec, ...]: ...

    @property
    def platform(self) -> str:
        """Such as onnx_onnxv1; goes into the model's metadata."""

    @property
    def provider(self) -> str:
        """What really computes, such as CUDAExecutionProvider."""

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """One array for each name in `outputs`, in that order. BYTES tensors are object arrays of bytes, both ways.

        InputRefusedError where the engine finds fault with the input, any other exception where it fails."""

    def close(self) -> None: ...


@dataclass(frozen=True)
class EngineOptions:
    """How a DeviceProfile wants its models run."""

    engine: str = "ONNXRuntime"
    providers: tuple[str, ...] = ()
    """In order of liking; empty: the CPU."""
    options: Mapping[str, str] = field(default_factory=dict)
    """`session.*` are session settings; `trt_*` TensorRT's; all others go to the first accelerator in `providers`."""
    require_accelerator: bool = False
    threads: int = 0
    """0: one per core this process may use."""


class ModelLoadError(Exception):
    """A model that cannot be served here. `reason` is one of edgewise.api.names.Reason."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class InputRefusedError(ValueError):
    """The engine says that the input is at fault, not the model."""
