"""Compares a decoded request with the model it is for. Called by the data plane before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence

from edgewise_runtime.engines.base import Array, TensorSpec
from edgewise_runtime.errors import BadRequestError, shown
from edgewise_runtime.protocol.messages import InferRequest, Tensor


def feeds_of(request: InferRequest, specs: Sequence[TensorSpec]) -> dict[str, Array]:
    """{input: array}, complete, of the right datatypes and shapes; BadRequestError names the first that is not."""
    by_name = {spec.name: spec for spec in specs}
    for tensor in request.inputs:
        if tensor.name not in by_name:
            raise BadRequestError(f"{request.model} has no input {shown(tensor.name)}; it takes {', '.join(by_name)}")
        _matches(tensor, by_name[tensor.name])
    missing = set(by_name) - {tensor.name for tensor in request.inputs}
    if missing:
        raise BadRequestError(f"{request.model} also needs the input {', '.join(sorted(missing))}")
    return {tensor.name: tensor.data for tensor in request.inputs}


def outputs_of(request: InferRequest, specs: Sequence[TensorSpec]) -> tuple[str, ...]:
    """Names of the outputs the request wants: all, unless it names some."""
    names = tuple(spec.name for spec in specs)
    for wanted in request.outputs:
        if wanted not in names:
            raise BadRequestError(f"{request.model} has no output {shown(wanted)}; it gives {', '.join(names)}")
    return request.outputs or names


def fits(shape: tuple[int, ...], spec: TensorSpec) -> bool:
    """Whether a tensor of `shape` may stand where the model says `spec`."""
    return len(shape) == len(spec.shape) and all(
        want in (-1, have) for have, want in zip(shape, spec.shape, strict=True)
    )


def _matches(tensor: Tensor, spec: TensorSpec) -> None:
    if tensor.datatype != spec.datatype:
        raise BadRequestError(f"{tensor.name}: the model takes {spec.datatype}, {tensor.datatype} was sent")
    if not fits(tensor.shape, spec):
        raise BadRequestError(
            f"{tensor.name}: the model takes shape {list(spec.shape)} (-1: any), {list(tensor.shape)} was sent"
        )
