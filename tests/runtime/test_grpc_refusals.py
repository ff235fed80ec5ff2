"""What gRPC refuses: each with the code that fits and a message that says what to change; never UNKNOWN or INTERNAL."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2 as pb

from edgewise_runtime.errors import BadRequestError, TooLargeError
from edgewise_runtime.grpc.requests import decode_request
from tests.runtime import tinyonnx
from tests.runtime.grpcclient import asking, called, output, raw, refusal, typed
from tests.runtime.serving import Device, ones, running, served

INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
EXHAUSTED, UNIMPLEMENTED = grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNIMPLEMENTED
METADATA = "/inference.GRPCInferenceService/ModelMetadata"
INFER = "/inference.GRPCInferenceService/ModelInfer"


def changed(**fields: Any) -> Any:
    """A good request for `linear`, but for these fields of its input."""
    request = raw(ones(1, 2))
    for key, value in fields.items():
        if key == "shape":
            request.inputs[0].ClearField("shape")
            request.inputs[0].shape.extend(value)
        else:
            setattr(request.inputs[0], key, value)
    return request


def with_parameter(where: str, key: str, **value: Any) -> Any:
    request = raw(ones(1, 2))
    request.outputs.add(name="logits")
    owner = {"request": request, "input": request.inputs[0], "output": request.outputs[0]}[where]
    owner.parameters[key].CopyFrom(pb.InferParameter(**value))
    return request


def both() -> Any:
    request = raw(ones(1, 2))
    request.inputs[0].contents.fp32_contents.extend([1.0, 1.0])
    return request


def contents(count: int) -> Any:
    request = raw(ones(1, 2))
    request.raw_input_contents.extend([b""] * (count - 1))
    return request


def twice(key: str) -> Any:
    request = raw(ones(1, 2))
    if key == "outputs":
        request.outputs.add(name="logits")
        request.outputs.add(name="logits")
    else:
        request.inputs.add().CopyFrom(request.inputs[0])
        request.raw_input_contents.append(request.raw_input_contents[0])
    return request


def texts(packed: bytes, count: int) -> Any:
    request = pb.ModelInferRequest(model_name="echo", raw_input_contents=[packed])
    request.inputs.add(name="x", datatype="BYTES", shape=[count])
    return request


REFUSED: dict[str, tuple[Any, grpc.StatusCode, str]] = {
    "no such model": (raw(ones(1, 2), model="nope"), NOT_FOUND, "no model 'nope' here; there is echo, linear"),
    "no such version": (raw(ones(1, 2), model_version="9"), NOT_FOUND, "linear has version 2.1.0 here, not '9'"),
    "no inputs": (pb.ModelInferRequest(model_name="linear"), INVALID, "the request has no inputs"),
    "an input the model lacks": (changed(name="z"), INVALID, "linear has no input 'z'; it takes x"),
    "an input without a name": (changed(name=""), INVALID, "each of the inputs needs a name"),
    "an input named at length": (changed(name="x" * 300), INVALID, "1 to 256 characters"),
    "an input twice": (twice("inputs"), INVALID, "inputs names 'x' twice"),
    "an output twice": (twice("outputs"), INVALID, "outputs names 'logits' twice"),
    "no such datatype": (changed(datatype="FP31"), INVALID, "x: datatype must be one of BOOL"),
    "another datatype": (changed(datatype="INT32"), INVALID, "x: the model takes FP32, INT32 was sent"),
    "another shape": (raw(ones(1, 3)), INVALID, "x: the model takes shape [-1, 2] (-1: any), [1, 3] was sent"),
    "a negative size": (changed(shape=[-1, 2]), INVALID, "integers from 1 up, not [-1, 2]"),
    "an empty tensor": (changed(shape=[0, 2]), INVALID, "integers from 1 up, not [0, 2]"),
    "too many dimensions": (changed(shape=[1] * 33), INVALID, "shape must be a list of at most 32 integers"),
    "a shape whose product wraps round": (changed(shape=[2**62, 4]), INVALID, "takes 73786976294838206464 bytes"),
    "too few bytes": (changed(shape=[2, 2]), INVALID, "x: FP32 [2, 2] takes 16 bytes, 8 were sent"),
    "more raw contents than inputs": (contents(2), INVALID, "1 inputs, but 2 raw_input_contents"),
    "raw and typed contents": (both(), INVALID, "x: carries both contents and raw_input_contents"),
    "neither raw nor typed contents": (
        typed("linear", "FP32", [1, 2]), INVALID, "shape [1, 2] takes 2 values, contents.fp32_contents has 0"
    ),
    "typed contents of another type": (
        typed("linear", "FP32", [1, 2], fp64_contents=[1, 2]), INVALID,
        "FP32 belongs into contents.fp32_contents, not fp64_contents",
    ),
    "typed contents of two types": (
        typed("linear", "FP32", [1, 2], fp32_contents=[1, 2], int_contents=[1]), INVALID, "not int_contents"
    ),
    "typed contents for FP16": (typed("linear", "FP16", [1, 2]), INVALID, "FP16 has no typed contents"),
    "an INT8 of 300": (typed("linear", "INT8", [1, 2], int_contents=[1, 300]), INVALID, "not within -128 … 127"),
    "a UINT16 of 70000": (typed("linear", "UINT16", [1, 2], uint_contents=[1, 70000]), INVALID, "not within 0 … 65535"),
    "too few typed values": (
        typed("linear", "FP32", [2**40, 2], fp32_contents=[1, 2]), INVALID, "takes 2199023255552 values"
    ),
    "a text cut off": (texts(b"\x05\0\0\0ab", 1), INVALID, "BYTES element 0 says 5 bytes, 2 are left"),
    "more texts than bytes": (texts(b"\0\0\0\0", 2**40), INVALID, "take at least"),
    "shared memory": (
        with_parameter("input", "shared_memory_region", string_param="r"), INVALID, "shared memory is not served here"
    ),
    "classification": (
        with_parameter("output", "classification", int64_param=3), INVALID, "the extension classification is not served"
    ),
    "a parameter without a value": (with_parameter("request", "p"), INVALID, "parameters: 'p' has no value"),
    "a timeout that is no number": (
        with_parameter("request", "timeout", string_param="1s"), INVALID, "must be a number of microseconds"
    ),
    "an unknown wish for privacy": (
        with_parameter("request", "edgewise_privacy", string_param="yes"), INVALID, "must be allow or never, not 'yes'"
    ),
    "an endless id": (raw(ones(1, 2), id="i" * 1025), INVALID, "id must be a string of at most 1024 characters"),
}  # fmt: skip

GARBAGE = {
    "noise": b"\xff\xfe\xfd",
    "a field that runs past the end": b"\x0a\x7fab",
    "a number without end": b"\xff" * 11,
    "a group": b"\x0b\x0c",
    "a name that is no UTF-8": b"\x0a\x02\xc3\x28",
    "an input that is none": b"\x2a\x03abc",
    "more fields than any request has": b"\x2a\x00" * 5000,
}


@pytest.mark.protocol
@pytest.mark.parametrize("case", REFUSED)
async def test_a_request_that_cannot_be_served_is_told_why(case: str, device: Device) -> None:
    request, code, text = REFUSED[case]
    async with asking(device) as stub:
        said = await refusal(stub.ModelInfer(request))
        assert (said[0], text in said[1]) == (code, True), said
        assert output(await stub.ModelInfer(raw(ones(1, 2))), "logits").tolist() == [[2.0, 2.0]]


@pytest.mark.protocol
@pytest.mark.parametrize("case", GARBAGE)
async def test_a_message_that_is_none_is_invalid(case: str, device: Device) -> None:
    async with grpc.aio.insecure_channel(device.grpc_address) as channel:
        code, text = await refusal(called(channel, INFER, GARBAGE[case]))
        assert code == INVALID, text
        code, text = await refusal(called(channel, METADATA, GARBAGE[case]))
        assert code in (INVALID, NOT_FOUND), text  # what is unknown to the small messages is skipped


@pytest.mark.protocol
async def test_a_stream_tells_of_each_message_that_is_none(device: Device) -> None:
    async with grpc.aio.insecure_channel(device.grpc_address) as channel:
        method: Any = channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")
        stream = method(iter(GARBAGE.values()))
        answers = [pb.ModelStreamInferResponse.FromString(answer) async for answer in stream]
    assert all(answer.error_message for answer in answers)
    assert len(answers) == len(GARBAGE)


@pytest.mark.protocol
async def test_what_is_not_for_a_device_is_unimplemented(device: Device) -> None:
    async with asking(device) as stub:
        for method in pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods:
            if method.name.startswith(("RepositoryModel", "SystemShared", "CudaShared", "Trace", "Log")):
                call = getattr(stub, method.name)(getattr(pb, method.input_type.name)())
                code, text = await refusal(call)
                assert (code, f"{method.name} is not served here" in text) == (UNIMPLEMENTED, True)
    async with grpc.aio.insecure_channel(device.grpc_address) as channel:
        code, _ = await refusal(called(channel, "/inference.GRPCInferenceService/Nothing", b""))
        assert code == UNIMPLEMENTED


@pytest.mark.protocol
@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
async def test_a_message_that_is_too_large_is_refused_also_when_it_is_packed(
    compression: grpc.Compression, device: Device
) -> None:
    async with asking(device) as stub:
        code, text = await refusal(stub.ModelInfer(raw(np.zeros(50_000, np.float32)), compression=compression))
        assert (code, "100000 bytes this device takes" in text) == (EXHAUSTED, True)
        code, text = await refusal(stub.ModelInfer(typed("echo", "BYTES", [1], bytes_contents=[b"x" * 60_000])))
        assert (code, "send large tensors in raw_input_contents" in text) == (EXHAUSTED, True)


tensors = st.builds(
    lambda **fields: pb.ModelInferRequest.InferInputTensor(**fields),
    name=st.sampled_from(["x", "a", "", "ä"]),
    datatype=st.sampled_from(["FP32", "INT8", "BYTES", "BOOL", "BF16", "", "FP3"]),
    shape=st.lists(st.sampled_from([-1, 0, 1, 2, 2**31, 2**63 - 1]), max_size=4),
    contents=st.none()
    | st.builds(
        lambda **fields: pb.InferTensorContents(**fields),
        fp32_contents=st.lists(st.floats(width=32), max_size=4),
        int_contents=st.lists(st.integers(-(2**31), 2**31 - 1), max_size=3),
        bytes_contents=st.lists(st.binary(max_size=3), max_size=3),
    ),
)
requests = st.builds(
    lambda **fields: pb.ModelInferRequest(**fields).SerializeToString(),
    model_name=st.sampled_from(["linear", "echo", "subtract", ""]),
    id=st.text(max_size=3),
    inputs=st.lists(tensors, max_size=3),
    raw_input_contents=st.lists(st.binary(max_size=9), max_size=3),
    parameters=st.dictionaries(
        st.sampled_from(["timeout", "p", "edgewise_privacy"]),
        st.sampled_from(
            [pb.InferParameter(), pb.InferParameter(int64_param=-1), pb.InferParameter(double_param=1e999)]
        ),
    ),
)
damaged = st.builds(lambda body, at, byte: body[: at % (len(body) + 1)] + byte + body[at % (len(body) + 1) + 1 :],
                    requests, st.integers(0, 2**16), st.binary(max_size=2))  # fmt: skip


@given(requests | damaged | st.binary(max_size=64))
@settings(max_examples=300, deadline=None)
def test_whatever_comes_is_decoded_or_refused(body: bytes) -> None:
    with contextlib.suppress(BadRequestError, TooLargeError):
        request = decode_request(memoryview(body), 10_000, None)
        assert all(tensor.data.size for tensor in request.inputs)


async def test_a_damaged_request_is_answered_or_refused(tmp_path: Path) -> None:
    """Each of the requests above, and a good one, with some of their bytes changed, cut out or doubled."""
    chance = random.Random(4)  # the same damage each time
    bodies = [raw(ones(1, 2)).SerializeToString(), *(case[0].SerializeToString() for case in REFUSED.values())]
    models = served(tinyonnx.linear(tmp_path, np.eye(2))), served(tinyonnx.echo(tmp_path, "BYTES", ["n"]), "echo")
    async with running(*models) as device, grpc.aio.insecure_channel(device.grpc_address) as channel:
        for body in bodies * 8:
            at, size = chance.randrange(len(body)), chance.randrange(3)
            middle = chance.choice([chance.randbytes(size), body[at : at + size] * 2])
            call = called(channel, INFER, body[:at] + middle + body[at + size :])
            assert await call.code() in (grpc.StatusCode.OK, INVALID, NOT_FOUND, EXHAUSTED), await call.details()
