"""ModelInferRequest messages to the InferRequest of the data plane. Called by service.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from google.protobuf.message import DecodeError
from tritonclient.grpc import service_pb2 as pb

from edgewise_runtime.errors import BadRequestError, TooLargeError, shown
from edgewise_runtime.grpc import layouts
from edgewise_runtime.grpc.contents import from_contents
from edgewise_runtime.grpc.wire import split_request
from edgewise_runtime.protocol import fields
from edgewise_runtime.protocol.datatypes import NAMES, unpack
from edgewise_runtime.protocol.messages import InferRequest, Scalar, Tensor
from edgewise_runtime.protocol.requests import TIMEOUT

_MAX_ID = 1024


def decode_request(body: memoryview, max_head: int, patience: float | None) -> InferRequest:
    """`max_head`: bytes that may come beside the raw tensors, which are views of `body`. `patience`: seconds until the
    client gives up; None: it does not say. BadRequestError, TooLargeError."""
    layout = layouts.known(body)
    if layout is not None:
        return _repeated(layout, body, patience)
    head, spans = split_request(body)
    if len(head) > max_head:
        raise TooLargeError(
            f"names, shapes and typed contents take more than the {max_head} bytes this device takes;"
            " send large tensors in raw_input_contents"
        )
    try:
        message = pb.ModelInferRequest.FromString(head)
    except DecodeError:
        raise BadRequestError("the message is no ModelInferRequest") from None
    if len(message.id) > _MAX_ID:
        raise BadRequestError(f"id must have at most {_MAX_ID} characters")
    parameters = _scalars(message.parameters, "")
    request = InferRequest(
        model=message.model_name,
        version=message.model_version,
        id=message.id or None,
        parameters=parameters,
        inputs=_inputs(message.inputs, [body[start:end] for start, end in spans]),
        outputs=_outputs(message.outputs),
        timeout=fields.microseconds(parameters, TIMEOUT),
    )
    if spans:
        layouts.learn(body, spans, request)
    return replace(request, timeout=_sooner(patience, request.timeout))


def _repeated(layout: layouts.Layout, body: memoryview, patience: float | None) -> InferRequest:
    """The same request with other tensors."""
    before = layout.request
    return InferRequest(
        model=before.model,
        version=before.version,
        id=before.id,
        parameters=before.parameters,
        inputs=tuple(
            Tensor(tensor.name, tensor.datatype, unpack(body[start:end], tensor.datatype, tensor.shape, tensor.name))
            for tensor, (start, end) in zip(before.inputs, layout.spans, strict=True)
        ),
        outputs=before.outputs,
        timeout=_sooner(patience, before.timeout),
    )


def _sooner(patience: float | None, timeout: float | None) -> float | None:
    if patience is None or timeout is None:
        return timeout if patience is None else patience
    return min(patience, timeout)


def _inputs(tensors: Sequence[pb.ModelInferRequest.InferInputTensor], raw: Sequence[memoryview]) -> tuple[Tensor, ...]:
    if not tensors:
        raise BadRequestError("the request has no inputs")
    if len(tensors) > fields.MAX_TENSORS:
        raise BadRequestError(f"inputs has {len(tensors)} entries, at most {fields.MAX_TENSORS} are taken")
    if raw and len(raw) != len(tensors):
        raise BadRequestError(f"{len(tensors)} inputs, but {len(raw)} raw_input_contents: each input needs its own")
    contents: Sequence[memoryview | None] = raw or [None] * len(tensors)
    inputs = tuple(_tensor(tensor, content) for tensor, content in zip(tensors, contents, strict=True))
    _refuse_twice("inputs", [tensor.name for tensor in inputs])
    return inputs


def _tensor(tensor: pb.ModelInferRequest.InferInputTensor, raw: memoryview | None) -> Tensor:
    name, datatype = _name(tensor.name, "inputs"), tensor.datatype
    if datatype not in NAMES:
        raise BadRequestError(f"{name}: datatype must be one of {', '.join(NAMES)}, not {shown(datatype)}")
    if tensor.parameters and "shared_memory_region" in _scalars(tensor.parameters, f"{name}: "):
        raise BadRequestError(f"{name}: shared memory is not served here; send the tensor in the request")
    shape = tuple(tensor.shape)
    if len(shape) > fields.MAX_RANK or min(shape, default=1) < 1:
        raise BadRequestError(
            f"{name}: shape must have at most {fields.MAX_RANK} sizes, each from 1 up, not {shown(list(shape))}"
        )
    if raw is None:
        return Tensor(name, datatype, from_contents(tensor, shape))
    if tensor.HasField("contents"):
        raise BadRequestError(f"{name}: carries both contents and raw_input_contents; send one of them")
    return Tensor(name, datatype, unpack(raw, datatype, shape, name))


def _outputs(wanted: Sequence[pb.ModelInferRequest.InferRequestedOutputTensor]) -> tuple[str, ...]:
    if len(wanted) > fields.MAX_TENSORS:
        raise BadRequestError(f"outputs has {len(wanted)} entries, at most {fields.MAX_TENSORS} are taken")
    names = [_name(output.name, "outputs") for output in wanted]
    for output in wanted:
        unknown = {"classification", "shared_memory_region"} & set(_scalars(output.parameters, f"{output.name}: "))
        if unknown:
            raise BadRequestError(f"{output.name}: the extension {min(unknown)} is not served here")
    _refuse_twice("outputs", names)
    return tuple(names)


def _refuse_twice(key: str, names: Sequence[str]) -> None:
    if len(set(names)) < len(names):
        raise BadRequestError(f"{key} names {shown(max(names, key=names.count))} twice")


def _name(name: str, where: str) -> str:
    if not 0 < len(name) <= fields.MAX_NAME:
        raise BadRequestError(f"each of the {where} needs a name of 1 to {fields.MAX_NAME} characters")
    return name


def _scalars(parameters: Mapping[str, pb.InferParameter], where: str) -> dict[str, Scalar]:
    if len(parameters) > fields.MAX_PARAMETERS:
        raise BadRequestError(f"{where}parameters has more than {fields.MAX_PARAMETERS} members")
    scalars: dict[str, Scalar] = {}
    for key, parameter in parameters.items():
        kind = parameter.WhichOneof("parameter_choice")
        if kind is None:
            raise BadRequestError(f"{where}parameters.{key[: fields.MAX_NAME]} has no value")
        scalars[key] = getattr(parameter, kind)
    return scalars
