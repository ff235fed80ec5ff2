"""Compares a decoded request with the model it is for. Called by the data plane before anything is computed."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from edgewise_runtime.engines.base import Array, TensorSpec
from edgewise_runtime.errors import BadRequestError, shown
from edgewise_runtime.protocol.messages import InferRequest, Tensor


def feeds_of(request: InferRequest, specs: Mapping[str, TensorSpec]) -> dict[str, Array]:
    """{input: array}, complete, of the right datatypes and shapes; BadRequestError names the first that is not."""
    feeds = {}
    for tensor in request.inputs:
        spec = specs.get(tensor.name)
        if spec is None:
            raise BadRequestError(f"{request.model} has no input {shown(tensor.name)}; it takes {', '.join(specs)}")
        _check(tensor, spec)
        feeds[tensor.name] = tensor.data
    if len(feeds) < len(specs):
        missing = ", ".join(sorted(specs.keys() - feeds.keys()))
        raise BadRequestError(f"{request.model} also needs the input {missing}")
    return feeds


def outputs_of(request: InferRequest, names: tuple[str, ...], known: Collection[str] = ()) -> tuple[str, ...]:
    """The outputs the request wants: `names`, unless it names some itself, of these or of all that are `known`."""
    for wanted in request.outputs:
        if wanted not in names and wanted not in known:
            raise BadRequestError(f"{request.model} has no output {shown(wanted)}; it gives {', '.join(names)}")
    return request.outputs or names


def fits(shape: tuple[int, ...], spec: TensorSpec) -> bool:
    """Whether a tensor of `shape` may stand where the model says `spec`."""
    if shape == spec.shape:
        return True
    if len(shape) != len(spec.shape):
        return False
    return all(map(_either, shape, spec.shape))


def _check(tensor: Tensor, spec: TensorSpec) -> None:
    if tensor.datatype != spec.datatype:
        raise BadRequestError(f"{tensor.name}: the model takes {spec.datatype}, {tensor.datatype} was sent")
    if not fits(tensor.shape, spec):
        raise BadRequestError(
            f"{tensor.name}: the model takes shape {list(spec.shape)} (-1: any), {list(tensor.shape)} was sent"
        )


def _either(have: int, want: int) -> bool:
    return want in (-1, have)
