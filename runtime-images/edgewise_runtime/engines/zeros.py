"""Made-up inputs: what a model is run on before there is a request, and when one must show that it still runs."""

from __future__ import annotations

import numpy as np

from edgewise_runtime.engines.base import Array, TensorSpec
from edgewise_runtime.protocol.datatypes import BYTES, dtype_of


def least(spec: TensorSpec) -> tuple[int, ...]:
    """The smallest shape that `spec` allows: 1 where any size goes."""
    return tuple(1 if size < 0 else size for size in spec.shape)


def zeros(spec: TensorSpec, shape: tuple[int, ...]) -> Array:
    """Zeros, or empty BYTES."""
    return np.full(shape, b"", dtype=object) if spec.datatype == BYTES else np.zeros(shape, dtype_of(spec.datatype))
