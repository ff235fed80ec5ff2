"""The codec: everything the protocol allows gets through unchanged, everything else is refused with what to change."""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from edgewise_runtime.engines.base import TensorSpec
from edgewise_runtime.errors import BadRequestError
from edgewise_runtime.protocol.checks import feeds_of, outputs_of
from edgewise_runtime.protocol.datatypes import DTYPES, pack, unpack
from edgewise_runtime.protocol.messages import InferRequest, InferResponse, Tensor
from edgewise_runtime.protocol.requests import decode_raw, decode_request, encode_request
from edgewise_runtime.protocol.responses import decode_response, encode_response


def as_bytes(items: list[bytes]) -> NDArray[Any]:
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


@st.composite
def tensors(draw: st.DrawFn, texts: bool = False) -> Tensor:
    """Any tensor of the protocol; `texts`: what JSON can carry too."""
    datatype = draw(st.sampled_from([*DTYPES, "BYTES"]))
    if datatype == "BYTES":
        item = st.text().filter(_encodable).map(str.encode) if texts else st.binary()
        return Tensor("t", datatype, as_bytes(draw(st.lists(item, min_size=1))))
    dtype = DTYPES[datatype]
    shapes = arrays.array_shapes(min_dims=0, max_dims=4, max_side=4)
    finite = texts and dtype.kind == "f"
    values = arrays.from_dtype(dtype, allow_nan=False, allow_infinity=False) if finite else arrays.from_dtype(dtype)
    return Tensor("t", datatype, draw(arrays.arrays(dtype, shapes, elements=values)))


def _encodable(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def same(left: Tensor, right: Tensor) -> bool:
    equal = left.data.tolist() == right.data.tolist() if left.datatype == "BYTES" else _bits(left) == _bits(right)
    return equal and (left.name, left.datatype, left.shape) == (right.name, right.datatype, right.shape)


def _bits(tensor: Tensor) -> bytes:
    return tensor.data.tobytes()


def read_back(response: InferResponse, binary: bool) -> InferResponse:
    """What a client reads of it."""
    encoded = encode_response(response, lambda _: binary)
    body = b"".join(encoded.parts)
    assert (encoded.json_size is not None, encoded.size) == (binary, len(body))
    return decode_response(memoryview(body), encoded.json_size)


@given(tensors(), st.none() | st.text(max_size=20).filter(_encodable))
def test_a_binary_request_comes_back_bit_by_bit(tensor: Tensor, given_id: str | None) -> None:
    body, json_size = encode_request(InferRequest("m", (tensor,), id=given_id, outputs=("y",)))
    decoded = decode_request(memoryview(body), json_size, "m", "")
    assert same(decoded.inputs[0], tensor)
    assert (decoded.id, decoded.outputs, decoded.wants_binary("y")) == (given_id, ("y",), True)


@given(tensors(), st.booleans())
def test_a_binary_response_comes_back_bit_by_bit(tensor: Tensor, with_id: bool) -> None:
    response = InferResponse("m", "2", (tensor,), "7" if with_id else None, {"edgewise_source": "device"})
    decoded = read_back(response, binary=True)
    assert same(decoded.outputs[0], tensor)
    assert (decoded.model, decoded.version, decoded.id) == ("m", "2", response.id)


@given(tensors(texts=True))
def test_a_json_response_comes_back_equal(tensor: Tensor) -> None:
    decoded = read_back(InferResponse("m", "2", (tensor,)), binary=False)
    assert decoded.outputs[0].data.tolist() == tensor.data.tolist()


@given(tensors(texts=True))
def test_nested_and_flat_json_mean_the_same(tensor: Tensor) -> None:
    nested = tensor.data.tolist() if tensor.datatype != "BYTES" else [item.decode() for item in tensor.data]
    flat = tensor.data.ravel().tolist() if tensor.datatype != "BYTES" else nested
    for data in (flat, nested if isinstance(nested, list) else [nested]):
        item = {"name": "t", "datatype": tensor.datatype, "shape": list(tensor.shape), "data": data}
        decoded = decode_request(memoryview(json.dumps({"inputs": [item]}).encode()), None, "m", "")
        assert decoded.inputs[0].data.tolist() == tensor.data.tolist()


@given(st.binary(max_size=300), st.none() | st.integers(0, 300))
def test_any_bytes_are_a_request_or_a_clear_refusal(body: bytes, json_size: int | None) -> None:
    with contextlib.suppress(BadRequestError):
        decode_request(memoryview(body), json_size, "m", "")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["name", "shape", "data"]), inner),
    max_leaves=20,
)
INPUT = st.fixed_dictionaries(
    {},
    optional={
        "name": JSON_VALUES | st.just("x"),
        "datatype": JSON_VALUES | st.sampled_from([*DTYPES, "BYTES"]),
        "shape": JSON_VALUES | st.lists(st.integers(-1, 3), max_size=3),
        "data": JSON_VALUES,
        "parameters": JSON_VALUES | st.fixed_dictionaries({"binary_data_size": JSON_VALUES | st.integers(0, 20)}),
    },
)


@given(st.lists(INPUT, max_size=3), JSON_VALUES, st.binary(max_size=30))
def test_any_json_is_a_request_or_a_clear_refusal(inputs: list[Any], outputs: Any, tail: bytes) -> None:
    head = json.dumps({"inputs": inputs, "outputs": outputs}).encode()
    with contextlib.suppress(BadRequestError):
        decode_request(memoryview(head + tail), len(head), "m", "")


def test_binary_tensors_are_views_of_the_body_where_they_are_aligned() -> None:
    body, json_size = encode_request(InferRequest("m", (Tensor("x", "FP32", np.ones(4, np.float32)),)))
    held = np.zeros(len(body) + 64 + -json_size % 64, np.uint8)
    start = -(held.ctypes.data + json_size) % 64
    held[start : start + len(body)] = np.frombuffer(body, np.uint8)
    decoded = decode_request(held.data[start : start + len(body)], json_size, "m", "")
    assert np.shares_memory(decoded.inputs[0].data, held)


def test_binary_tensors_that_are_not_aligned_are_moved() -> None:
    body, json_size = encode_request(InferRequest("m", (Tensor("x", "FP64", np.ones(4)),)))
    for offset in range(8):
        decoded = decode_request(memoryview(bytearray(offset) + body)[offset:], json_size, "m", "")
        assert decoded.inputs[0].data.flags.aligned
        assert decoded.inputs[0].data.tolist() == [1, 1, 1, 1]


@given(arrays.arrays(np.float32, 5))
def test_bf16_is_the_nearest_number_that_two_bytes_can_say(numbers: NDArray[np.float32]) -> None:
    raw = pack(numbers, "BF16")
    read = unpack(memoryview(raw), "BF16", (5,), "x")
    assert len(raw) == 10
    assert read.dtype == np.float32
    assert np.array_equal(np.isnan(read), np.isnan(numbers))
    for given_, got in zip(numbers.tolist(), read.tolist(), strict=True):
        if math.isfinite(given_) and math.isfinite(got):
            assert abs(got - given_) <= max(abs(given_) * 2**-8, 2**-134)
    assert np.array_equal(unpack(memoryview(pack(read, "BF16")), "BF16", (5,), "x"), read, equal_nan=True)


def test_bf16_ties_go_to_the_even_number() -> None:
    halfway = np.array([0x3F808000, 0x3F818000], np.uint32).view(np.float32)
    assert bytes(pack(halfway, "BF16")) == bytes.fromhex("803f 823f")


def test_bf16_in_json_is_a_number_rounded() -> None:
    item = {"name": "x", "datatype": "BF16", "shape": [2], "data": [1, 1.001]}
    tensor = decode_request(memoryview(json.dumps({"inputs": [item]}).encode()), None, "m", "").inputs[0]
    assert (tensor.datatype, tensor.data.tolist()) == ("BF16", [1.0, 1.0])


def test_numbers_in_json_are_as_short_as_their_datatype_allows() -> None:
    tensor = Tensor("y", "FP32", np.array([0.1], np.float32))
    encoded = encode_response(InferResponse("m", "1", (tensor,)), lambda _: False)
    assert b'"data":[0.1]' in encoded.parts[0]


def test_what_json_cannot_say_becomes_null() -> None:
    tensor = Tensor("y", "FP32", np.array([1, np.nan, np.inf], np.float32))
    encoded = encode_response(InferResponse("m", "1", (tensor,)), lambda _: False)
    assert json.loads(bytes(encoded.parts[0]))["outputs"][0]["data"] == [1.0, None, None]


def test_an_empty_output_is_an_answer() -> None:
    boxes = Tensor("boxes", "FP32", np.zeros((0, 4), np.float32))
    for binary in (True, False):
        assert read_back(InferResponse("m", "1", (boxes,)), binary).outputs[0].shape == (0, 4)


RAW_SHAPES = {
    "a batch of one": ((-1, 3), 12, (1, 3)),
    "a free length behind the batch": ((-1, -1), 12, (1, 3)),
    "fixed": ((3,), 12, (3,)),
}


@pytest.mark.parametrize("case", RAW_SHAPES)
def test_a_raw_request_is_one_sample(case: str) -> None:
    shape, size, expected = RAW_SHAPES[case]
    request = decode_raw(memoryview(bytes(size)), [TensorSpec("x", "FP32", shape)], "m", "")
    assert request.inputs[0].shape == expected
    assert request.wants_binary("y")


SPECS = (TensorSpec("a", "FP32", (-1, 2)), TensorSpec("b", "INT64", (1,)))
BY_NAME = {spec.name: spec for spec in SPECS}
FITTING = (Tensor("a", "FP32", np.ones((5, 2), np.float32)), Tensor("b", "INT64", np.ones(1, np.int64)))
MISFITS = {
    "unknown": ((*FITTING, Tensor("c", "FP32", np.ones(1, np.float32))), "no input 'c'; it takes a, b"),
    "missing": (FITTING[:1], "also needs the input b"),
    "wrong datatype": ((FITTING[0], Tensor("b", "INT32", np.ones(1, np.int32))), "takes INT64, INT32 was sent"),
    "wrong rank": ((Tensor("a", "FP32", np.ones(2, np.float32)), FITTING[1]), r"takes shape \[-1, 2\]"),
    "wrong size": ((Tensor("a", "FP32", np.ones((5, 3), np.float32)), FITTING[1]), r"\[5, 3\] was sent"),
}


@pytest.mark.parametrize("case", MISFITS)
def test_inputs_that_the_model_does_not_take_are_named(case: str) -> None:
    inputs, expected = MISFITS[case]
    with pytest.raises(BadRequestError, match=expected):
        feeds_of(InferRequest("m", inputs), BY_NAME)


def test_inputs_that_fit_are_fed_in_any_order() -> None:
    assert set(feeds_of(InferRequest("m", FITTING[::-1]), BY_NAME)) == {"a", "b"}


def test_an_unknown_output_is_refused_and_none_means_all() -> None:
    assert outputs_of(InferRequest("m", ()), ("a", "b")) == ("a", "b")
    assert outputs_of(InferRequest("m", (), outputs=("b",)), ("a", "b")) == ("b",)
    assert outputs_of(InferRequest("m", (), outputs=("hidden",)), ("a", "b"), {"hidden"}) == ("hidden",)
    with pytest.raises(BadRequestError, match="no output 'z'; it gives a, b"):
        outputs_of(InferRequest("m", (), outputs=("z",)), ("a", "b"))
