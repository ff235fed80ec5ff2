"""Judges a target's answer before a client sees it: a wrong one must not replace a right one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgewise.api.edgemodel import Confidence
from edgewise_runtime.engines.base import TensorSpec
from edgewise_runtime.escalation.client import NoHelpError
from edgewise_runtime.escalation.confidence import confidence_of
from edgewise_runtime.protocol.checks import fits
from edgewise_runtime.protocol.messages import InferResponse, Tensor


@dataclass(frozen=True)
class Expected:
    """What is known of a right answer. Where no local model is loaded, only the names the client asked for."""

    outputs: tuple[str, ...]
    specs: Sequence[TensorSpec] = ()
    confidence: Confidence | None = None
    local: float | None = None
    """Confidence of the local answer, where there is one."""
    rows: int | None = None
    """Rows of the local answer's confidence output."""


def review(response: InferResponse, expected: Expected) -> float | None:
    """The answer's own confidence, where it can be told. NoHelpError where the answer does not fit, or is no better."""
    outputs = {tensor.name: tensor for tensor in response.outputs}
    missing = [name for name in expected.outputs if name not in outputs]
    if missing or not outputs:
        raise NoHelpError("invalid", f"its answer lacks {', '.join(missing) or 'outputs'}")
    specs = {spec.name: spec for spec in expected.specs}
    for tensor in outputs.values():
        _sound(tensor, specs.get(tensor.name))
    if expected.confidence is None:
        return None
    return _better(outputs[expected.confidence.output], expected.confidence, expected)


def _sound(tensor: Tensor, spec: TensorSpec | None) -> None:
    if spec is not None and (tensor.datatype != spec.datatype or not fits(tensor.shape, spec)):
        raise NoHelpError(
            "invalid",
            f"its {tensor.name} is {tensor.datatype} {list(tensor.shape)}, not {spec.datatype} {list(spec.shape)}",
        )
    if tensor.data.dtype.kind == "f" and not np.isfinite(tensor.data).all():
        raise NoHelpError("invalid", f"its {tensor.name} is not finite")


def _better(tensor: Tensor, confidence: Confidence, expected: Expected) -> float:
    if expected.rows is not None and tensor.data.ndim and len(tensor.data) != expected.rows:
        raise NoHelpError("invalid", f"its {tensor.name} has {len(tensor.data)} rows, {expected.rows} were asked about")
    found = confidence_of(tensor.data, confidence)
    if expected.local is not None and found < expected.local:
        raise NoHelpError("worse", f"it is less sure ({found:.3f}) than this device ({expected.local:.3f})")
    return found
