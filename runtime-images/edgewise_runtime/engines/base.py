"""What an engine is to the rest of the runtime: tensors by name in, tensors out. Nobody else knows more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_ON_CPU = frozenset({"CPUExecutionProvider", "CPU"})


@dataclass(frozen=True)
class Quantization:
    """How the integers of a tensor stand for real numbers: real = scale * (integer - zero point)."""

    scales: tuple[float, ...]
    """One; or one for each index along `axis`."""
    zero_points: tuple[int, ...]
    axis: int = 0

    def real(self, integers: Array) -> Array:
        """FP32 numbers that `integers` stand for."""
        scales, zeros = self._along(integers.ndim)
        return np.asarray((integers.astype(np.float32) - zeros) * scales, np.float32)

    def integers(self, real: Array, dtype: Any) -> Array:
        """The integers of `dtype` nearest to `real`; what is out of their range becomes its end, NaN becomes 0."""
        scales, zeros = self._along(real.ndim)
        limits = np.iinfo(dtype)
        nearest: Array = np.clip(np.rint(np.nan_to_num(real / scales)) + zeros, limits.min, limits.max).astype(dtype)
        return nearest

    def _along(self, dimensions: int) -> tuple[Array, Array]:
        """Scales and zero points in a shape that fits a tensor of so many dimensions."""
        scales, zeros = np.array(self.scales, np.float32), np.array(self.zero_points, np.float32)
        if len(scales) == 1:
            return scales[0], zeros[0]
        shape = [-1 if axis == self.axis else 1 for axis in range(dimensions)]
        return scales.reshape(shape), zeros.reshape(shape)


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a model."""

    name: str
    datatype: str
    """As the Open Inference Protocol writes it, such as FP32 or BYTES."""
    shape: tuple[int, ...]
    """-1: any size."""
    quantization: Quantization | None = None
    """Of a model that takes or gives raw integers; None: the numbers are themselves."""


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
        """What computes now, such as CUDAExecutionProvider; empty: nothing does, see `lost`."""

    @property
    def lost(self) -> str:
        """Why the model is no longer on its accelerator; empty while it is, or never was."""

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """One array for each name in `outputs`, in that order. BYTES tensors are object arrays of bytes, both ways.

        InputRefusedError where the engine finds fault with the input, AcceleratorLostError where the accelerator is
        gone and the CPU is no way out, any other exception where the engine fails."""

    def close(self) -> None: ...


@dataclass(frozen=True)
class EngineOptions:
    """How a DeviceProfile wants its models run."""

    engine: str = "ONNXRuntime"
    providers: tuple[str, ...] = ()
    """In order of liking; empty: the CPU."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Of the first provider, as the engine names them; each engine's module says more."""
    require_accelerator: bool = False
    threads: int = 0
    """Of one run; 0: one per core this process may use."""

    def for_cpu(self) -> EngineOptions:
        """The same without an accelerator: its options go with it, those of an ONNX Runtime session stay."""
        kept = {key: value for key, value in self.options.items() if key.startswith("session.")}
        return EngineOptions(self.engine, options=kept, threads=self.threads)


class ModelLoadError(Exception):
    """A model that cannot be served here. `reason` is one of edgewise.api.names.Reason."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class InputRefusedError(ValueError):
    """The engine says that the input is at fault, not the model."""


class EngineFailedError(Exception):
    """The engine could not run the model, and not because of the input."""


class AcceleratorLostError(Exception):
    """The accelerator is gone, and nothing else may or can run the model; see `Session.lost`."""


def on_cpu(provider: str) -> bool:
    """Whether a `Session.provider` is the CPU: nothing that can be unplugged, or hang."""
    return provider in _ON_CPU


def first_line(error: Exception) -> str:
    """What an engine says of a failure, short enough to be shown to somebody."""
    lines = str(error).strip().splitlines()
    return lines[0][:500] if lines else type(error).__name__
