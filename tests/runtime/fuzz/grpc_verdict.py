"""Sends gRPC requests as bytes, and judges the answers: a code that says whose fault it is, or the numbers sent."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from tritonclient.grpc import service_pb2

from tests.runtime.fuzz import reference
from tests.runtime.fuzz.grpc_inputs import TYPED

INFER = "/inference.GRPCInferenceService/ModelInfer"
_REFUSALS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}
_LONGEST = 10.0  # seconds; what takes longer hangs


async def complaints(port: int, inputs: Iterable[bytes]) -> list[tuple[bytes, str]]:
    """(input, what is wrong with its answer) for those where something is."""
    found = []
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        infer: Any = channel.unary_unary(INFER)  # without serializers: bytes in, bytes out
        for raw in inputs:
            wrong = await _complaint(infer, raw)
            if wrong:
                found.append((raw, wrong))
    return found


async def _complaint(infer: Any, raw: bytes) -> str | None:
    call = infer(raw, timeout=_LONGEST)
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED and "timeout" not in str(error.details()):
            return f"nothing happened for {_LONGEST:g} s"
        if error.code() not in _REFUSALS:
            return f"{error.code().name}: {error.details()}"
        return None if error.details() else f"{error.code().name} that says nothing"
    return _wrong_numbers(raw, answer)


def _wrong_numbers(raw: bytes, answer: bytes) -> str | None:
    """The model gives back what it got."""
    try:
        sent = service_pb2.ModelInferRequest.FromString(raw)
        wanted = _tensor(sent)
    except (DecodeError, reference.RefusedError) as error:
        return f"OK to what holds no numbers ({error})"
    given = service_pb2.ModelInferResponse.FromString(answer)
    if given.id != sent.id:
        return f"id {given.id!r} to {sent.id!r}"
    (output,) = given.outputs
    got = reference.from_bytes(given.raw_output_contents[0], output.datatype, list(output.shape))
    return None if got == wanted else f"{wanted} became {got}"


def _tensor(request: Any) -> reference.Tensor:
    """Of the one input x. RefusedError where there is not just one, or where it is not clear what it holds."""
    if len(request.inputs) != 1:
        raise reference.RefusedError(f"{len(request.inputs)} inputs")
    (item,) = request.inputs
    shape = list(item.shape)
    filled = [field.name for field, _ in item.contents.ListFields()]
    if request.raw_input_contents:
        if filled or len(request.raw_input_contents) != 1:
            raise reference.RefusedError("raw and typed contents, or raw ones left over")
        return reference.from_bytes(request.raw_input_contents[0], item.datatype, shape)
    if item.datatype not in TYPED or filled != [TYPED[item.datatype]]:
        raise reference.RefusedError(f"{item.datatype} in {filled}")
    values = list(getattr(item.contents, TYPED[item.datatype]))
    if item.datatype == "BYTES":
        raw = b"".join(struct.pack("<I", len(value)) + value for value in values)
        return reference.from_bytes(raw, "BYTES", shape)
    try:
        packed = b"".join(reference.pack(value, item.datatype) for value in values)
    except struct.error as error:
        raise reference.RefusedError(str(error)) from error
    return reference.from_bytes(packed, item.datatype, shape)
