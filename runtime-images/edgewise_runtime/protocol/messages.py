"""Requests and answers without any transport: what the data plane, the codecs and the escalation client pass around.

Nobody changes one that somebody else has made. They are not frozen, since making a frozen one takes four times as long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgewise_runtime.engines.base import Array

Scalar = str | int | float | bool
Parameters = Mapping[str, Scalar]


@dataclass(slots=True)
class Tensor:
    """One named tensor. `data` has its full shape; BYTES tensors are object arrays of bytes."""

    name: str
    datatype: str
    data: Array

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def nbytes(self) -> int:
        return sum(map(len, self.data.flat)) if self.data.dtype.hasobject else self.data.nbytes


@dataclass(slots=True)
class InferRequest:
    """A decoded request. Nothing in it was compared with a model yet."""

    model: str
    inputs: tuple[Tensor, ...]
    version: str = ""
    """Empty: whichever is served."""
    id: str | None = None
    parameters: Parameters = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    """Empty: all."""
    binary: Mapping[str, bool] = field(default_factory=dict)
    """Outputs that say themselves whether they want binary data."""
    binary_default: bool = False
    """What all other outputs want."""
    timeout: float | None = None
    """Seconds in which its turn must come; None: as long as it takes."""

    @property
    def nbytes(self) -> int:
        """Size of the inputs; what the scheduler weighs."""
        return sum([tensor.nbytes for tensor in self.inputs])

    def wants_binary(self, output: str) -> bool:
        return self.binary.get(output, self.binary_default)


@dataclass(slots=True)
class InferResponse:
    """An answer, whoever gave it."""

    model: str
    version: str
    outputs: tuple[Tensor, ...]
    id: str | None = None
    parameters: Parameters = field(default_factory=dict)
