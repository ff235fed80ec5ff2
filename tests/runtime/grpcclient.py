"""Messages and calls of gRPC tests, with the stubs that everybody has: tritonclient's."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub

from tests.runtime.serving import Device


@contextlib.asynccontextmanager
async def asking(device: Device, **options: int) -> AsyncIterator[Any]:
    """A stub on a connection of its own; `options`: of the channel, such as max_send_message_length."""
    given = [(f"grpc.{name}", value) for name, value in options.items()]
    async with grpc.aio.insecure_channel(device.grpc_address, given) as channel:
        yield GRPCInferenceServiceStub(channel)


def raw(array: NDArray[Any], model: str = "linear", name: str = "x", datatype: str = "FP32", **fields: Any) -> Any:
    """A request with one input as raw bytes; `fields`: more of ModelInferRequest."""
    request = pb.ModelInferRequest(model_name=model, raw_input_contents=[array.tobytes()], **fields)
    request.inputs.add(name=name, datatype=datatype, shape=array.shape)
    return request


def typed(model: str, datatype: str, shape: list[int], name: str = "x", **contents: Any) -> Any:
    """A request with one input as typed contents, such as fp32_contents=[1.0]."""
    request = pb.ModelInferRequest(model_name=model)
    request.inputs.add(name=name, datatype=datatype, shape=shape, contents=pb.InferTensorContents(**contents))
    return request


def output(answer: Any, name: str, dtype: str = "<f4") -> NDArray[Any]:
    """One output of an answer, as it came."""
    for number, tensor in enumerate(answer.outputs):
        if tensor.name == name:
            return np.frombuffer(answer.raw_output_contents[number], dtype).reshape(tuple(tensor.shape))
    raise KeyError(name)


def called(channel: grpc.aio.Channel, method: str, message: bytes) -> Any:
    """A call with a message that no stub would send; waits no longer than 20 s."""
    ask: Any = channel.unary_unary(method)
    return ask(message, timeout=20.0)


async def refusal(call: Any) -> tuple[grpc.StatusCode, str]:
    """How a call that must fail failed."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return error.code(), error.details() or ""
    raise AssertionError(f"answered: {answer}")
