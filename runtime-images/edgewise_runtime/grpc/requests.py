"""ModelInferRequest messages to the InferRequest of the data plane. Called by methods.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from google.protobuf.message import DecodeError
from tritonclient.grpc import service_pb2 as pb

from edgewise_runtime.errors import BadRequestError, TooLargeError, shown
from edgewise_runtime.grpc import layouts
from edgewise_runtime.grpc.contents import from_contents
from edgewise_runtime.grpc.wire import split_request
from edgewise_runtime.protocol import rules
from edgewise_runtime.protocol.datatypes import unpack
from edgewise_runtime.protocol.messages import InferRequest, Scalar, Tensor
from edgewise_runtime.protocol.requests import TIMEOUT


def decode_request(body: memoryview, max_head: int, patience: float | None) -> InferRequest:
    """`max_head`: bytes that may come beside the raw tensors, which are views of `body`. `patience`: seconds until the
    client gives up; None: it does not say. BadRequestError, TooLargeError."""
    request = layouts.read(body) or _read(body, max_head)
    request.timeout = _sooner(patience, request.timeout)
    return request


def _read(body: memoryview, max_head: int) -> InferRequest:
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
    parameters = _scalars(message.parameters, "")
    request = InferRequest(
        model=message.model_name,
        version=message.model_version,
        id=rules.text(message.id, "id") or None,
        parameters=parameters,
        inputs=_inputs(message.inputs, [body[start:end] for start, end in spans]),
        outputs=_outputs(message.outputs),
        timeout=rules.microseconds(parameters, TIMEOUT),
    )
    if spans:
        layouts.learn(body, spans, request)
    return request


def _sooner(patience: float | None, timeout: float | None) -> float | None:
    if patience is None or timeout is None:
        return timeout if patience is None else patience
    return min(patience, timeout)


def _inputs(tensors: Sequence[pb.ModelInferRequest.InferInputTensor], raw: Sequence[memoryview]) -> tuple[Tensor, ...]:
    if not tensors:
        raise BadRequestError("the request has no inputs")
    rules.few(tensors, "inputs")
    if raw and len(raw) != len(tensors):
        raise BadRequestError(f"{len(tensors)} inputs, but {len(raw)} raw_input_contents: each input needs its own")
    contents: Sequence[memoryview | None] = raw or [None] * len(tensors)
    inputs = tuple([_tensor(tensor, content) for tensor, content in zip(tensors, contents, strict=True)])
    rules.distinct([tensor.name for tensor in inputs], "inputs")
    return inputs


def _tensor(tensor: pb.ModelInferRequest.InferInputTensor, raw: memoryview | None) -> Tensor:
    name = rules.name(tensor.name, "inputs")
    datatype = rules.datatype(tensor.datatype, name)
    rules.no_shared_memory(_scalars(tensor.parameters, f"{name}: "), name)
    shape = rules.shape(list(tensor.shape), name, least=1)
    if raw is None:
        return Tensor(name, datatype, from_contents(tensor, shape))
    if tensor.HasField("contents"):
        raise BadRequestError(f"{name}: carries both contents and raw_input_contents; send one of them")
    return Tensor(name, datatype, unpack(raw, datatype, shape, name))


def _outputs(wanted: Sequence[pb.ModelInferRequest.InferRequestedOutputTensor]) -> tuple[str, ...]:
    rules.few(wanted, "outputs")
    names = tuple([rules.name(output.name, "outputs") for output in wanted])
    for output in wanted:
        rules.no_extension(_scalars(output.parameters, f"{output.name}: "), output.name)
    rules.distinct(names, "outputs")
    return names


def _scalars(parameters: Mapping[str, pb.InferParameter], where: str) -> dict[str, Scalar]:
    if len(parameters) > rules.MAX_PARAMETERS:
        raise BadRequestError(f"{where}parameters has more than {rules.MAX_PARAMETERS} members")
    scalars: dict[str, Scalar] = {}
    for key, parameter in parameters.items():
        kind = parameter.WhichOneof("parameter_choice")
        if kind is None:
            raise BadRequestError(f"{where}parameters: {shown(key)} has no value")
        scalars[key] = getattr(parameter, kind)
    return scalars
