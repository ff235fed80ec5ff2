"""Judges a target's answer before a client sees it: a wrong one must not replace a right one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgewise_runtime.engines.base import TensorSpec
from edgewise_runtime.escalation.confidence import Sureness
from edgewise_runtime.escalation.targets import NoHelpError
from edgewise_runtime.protocol.checks import fits
from edgewise_runtime.protocol.messages import InferResponse, Tensor


@dataclass(frozen=True)
class Expected:
    """What is known of a right answer. Where no local model is loaded, only the names the client asked for."""

    outputs: tuple[str, ...]
    specs: Sequence[TensorSpec] = ()
    sureness: Sureness | None = None
    rows: int = 1
    """That the local answer has, or pictures that were asked about."""
    local: float | None = None
    """Confidence of the device's own answer; None: it has none, or nobody can tell."""


def review(response: InferResponse, asked: str | None, expected: Expected) -> float | None:
    """The answer's own confidence, where it can be told. NoHelpError where it is none to the question of id `asked`,
    or does not fit."""
    if response.id != asked:
        raise NoHelpError("invalid", f"it answers another request: {response.id!r}, not {asked!r}")
    outputs = {tensor.name: tensor for tensor in response.outputs}
    missing = [name for name in expected.outputs if name not in outputs]
    if missing or not outputs:
        raise NoHelpError("invalid", f"its answer lacks {', '.join(missing) or 'outputs'}")
    specs = {spec.name: spec for spec in expected.specs}
    for tensor in outputs.values():
        _sound(tensor, specs.get(tensor.name))
    return None if expected.sureness is None else _confidence(outputs, expected.sureness, expected.rows)


def _sound(tensor: Tensor, spec: TensorSpec | None) -> None:
    if spec is not None and (tensor.datatype != spec.datatype or not fits(tensor.shape, spec)):
        raise NoHelpError(
            "invalid",
            f"its {tensor.name} is {tensor.datatype} {list(tensor.shape)}, not {spec.datatype} {list(spec.shape)}",
        )
    if tensor.data.dtype.kind == "f" and not np.isfinite(tensor.data).all():
        raise NoHelpError("invalid", f"its {tensor.name} is not finite")


def _confidence(outputs: dict[str, Tensor], sureness: Sureness, rows: int) -> float:
    """For the client to see. It decides nothing: how sure two models are can be compared only where both were
    calibrated, and a bigger one that is more modest is right more often all the same."""
    name = sureness.spec.name
    shape = outputs[name].shape
    if shape and not sureness.found_in and shape[0] != rows:
        raise NoHelpError("invalid", f"its {name} has {shape[0]} rows, {rows} were asked about")
    return sureness.of({name: tensor.data for name, tensor in outputs.items()}, rows)
