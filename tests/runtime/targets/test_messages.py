"""Our own gRPC messages against the published ones: what we write they read, what they write we read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tritonclient.grpc import service_pb2 as pb

from edgewise_runtime.errors import BadRequestError
from edgewise_runtime.escalation.targets.messages import decode_response, encode_request
from edgewise_runtime.protocol.datatypes import DTYPES, pack
from edgewise_runtime.protocol.messages import InferRequest, Tensor

NAMES = st.text(min_size=1, max_size=40).filter(lambda text: text.encode("utf-8", "ignore").decode() == text)
IDS = st.none() | NAMES


@st.composite
def tensors(draw: st.DrawFn, least: int = 0) -> Tensor:
    datatype = draw(st.sampled_from(sorted(DTYPES)))
    shape = draw(arrays.array_shapes(min_dims=0, max_dims=4, min_side=least, max_side=5))
    array = draw(arrays.arrays(DTYPES[datatype], shape))
    return Tensor(draw(NAMES), datatype, array)


@given(NAMES, IDS, st.lists(tensors(), min_size=1, max_size=3), st.lists(NAMES, max_size=3))
def test_a_request_is_what_protobuf_would_make_of_it(
    model: str, name: str | None, inputs: list[Tensor], outputs: list[str]
) -> None:
    request = InferRequest("here", tuple(inputs), id=name, outputs=tuple(outputs))
    read = pb.ModelInferRequest.FromString(b"".join(encode_request(request, model)))
    wanted = pb.ModelInferRequest(model_name=model, id=name or "")
    for tensor in inputs:
        wanted.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        wanted.raw_input_contents.append(bytes(pack(tensor.data, tensor.datatype)))
    for output in outputs:
        wanted.outputs.add(name=output)
    assert read == wanted


@given(NAMES, NAMES, IDS, st.lists(tensors(), max_size=3))
def test_what_protobuf_makes_of_a_response_is_read(
    model: str, version: str, name: str | None, outputs: list[Tensor]
) -> None:
    written = pb.ModelInferResponse(model_name=model, model_version=version, id=name or "")
    written.parameters["whatever"].int64_param = 7
    for tensor in outputs:
        written.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        written.raw_output_contents.append(bytes(pack(tensor.data, tensor.datatype)))
    read = decode_response(memoryview(written.SerializeToString()))
    assert (read.model, read.version, read.id) == (model, version, name)
    for ours, theirs in zip(read.outputs, outputs, strict=True):
        assert (ours.name, ours.datatype, ours.shape) == (theirs.name, theirs.datatype, theirs.shape)
        assert bytes(pack(ours.data, ours.datatype)) == bytes(pack(theirs.data, theirs.datatype))


@given(st.binary(max_size=200))
def test_anything_else_is_refused_and_nothing_worse(message: bytes) -> None:
    try:
        response = decode_response(memoryview(message))
    except BadRequestError:
        return
    assert all(tensor.nbytes <= len(message) for tensor in response.outputs)


def _response(raw: bytes = b"\0\0\0\0", **fields: object) -> bytes:
    message = pb.ModelInferResponse(raw_output_contents=[raw])
    message.outputs.add(**({"name": "y", "datatype": "FP32", "shape": [1]} | fields))
    return bytes(message.SerializeToString())


UNFIT = {
    "typed contents": (
        pb.ModelInferResponse(
            outputs=[{"name": "y", "datatype": "FP32", "shape": [1], "contents": {"fp32_contents": [1.0]}}]
        ).SerializeToString(),
        "1 outputs, but 0 raw_output_contents",
    ),
    "too few bytes": (_response(b"\0"), "takes 4 bytes, 1 were sent"),
    "a negative size": (_response(shape=[-1]), "shape must be"),
    "a datatype that does not exist": (_response(datatype="FP8"), "datatype must be one of"),
    "a message that is cut off": (_response()[:-1], "cut off"),
    "a name that is no text": (b"\x0a\x02\xff\xfe", "not UTF-8"),
    "a number without an end": (b"\xff" * 11, "no valid protobuf"),
    "more fields than any answer has": (b"\x0a\x00" * 2000, "more than 1024 fields"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_an_answer_that_is_none_says_what_is_wrong(case: str) -> None:
    message, says = UNFIT[case]
    with pytest.raises(BadRequestError, match=says):
        decode_response(memoryview(message))


def test_a_shape_may_come_number_by_number() -> None:
    """As protobuf's readers must take it, whatever its writers do."""
    tensor = b"\x0a\x01y" + b"\x12\x04FP32" + b"\x18\x02\x18\x01"
    message = b"\x2a" + bytes((len(tensor),)) + tensor + b"\x32\x08" + np.ones(2, "<f4").tobytes()
    (output,) = decode_response(memoryview(message)).outputs
    assert (output.shape, output.data.tolist()) == ((2, 1), [[1.0], [1.0]])
