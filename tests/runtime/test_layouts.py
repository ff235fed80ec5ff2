"""A JSON part that came before is read no differently than the first time."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise_runtime.errors import BadRequestError
from edgewise_runtime.protocol.messages import InferRequest, Tensor
from edgewise_runtime.protocol.requests import decode_request, encode_request
from tests.runtime.test_protocol import same, tensors


@given(st.lists(tensors(), min_size=1, max_size=3), st.binary(max_size=3))
def test_the_second_request_is_read_as_the_first(drawn: list[Tensor], more: bytes) -> None:
    inputs = tuple(Tensor(f"t{at}", tensor.datatype, tensor.data) for at, tensor in enumerate(drawn))
    body, json_size = encode_request(InferRequest("m", inputs, id="7", outputs=("y",)))
    for model in ("m", "n"):
        request = decode_request(memoryview(body), json_size, model, "2")
        assert all(map(same, request.inputs, inputs))
        assert (request.model, request.version, request.id, request.outputs) == (model, "2", "7", ("y",))
        assert request.wants_binary("y")
    if more:
        with pytest.raises(BadRequestError, match="follow"):
            decode_request(memoryview(body + more), json_size, "m", "")


def test_other_bytes_behind_the_same_words_are_other_tensors() -> None:
    words = json.dumps({"inputs": [_binary("x", "FP32", 8)], "parameters": {"timeout": 2_000_000}}).encode()
    for values in ([1.0, 2.0], [3.0, 4.0]):
        request = decode_request(memoryview(words + np.array(values, "<f4").tobytes()), len(words), "m", "")
        assert request.inputs[0].data.tolist() == values
        assert request.timeout == 2.0


def test_what_was_refused_is_refused_again() -> None:
    words = json.dumps({"inputs": [_binary("x", "BOOL", 2)]}).encode()
    for tail, wrong in ((b"\1\0", ""), (b"\1\2", "0 or 1"), (b"\1", "only 1 bytes"), (b"\1\2", "0 or 1")):
        if wrong:
            with pytest.raises(BadRequestError, match=wrong):
                decode_request(memoryview(words + tail), len(words), "m", "")
        else:
            decode_request(memoryview(words + tail), len(words), "m", "")


def test_words_with_data_among_them_are_read_each_time() -> None:
    inline = {"name": "a", "datatype": "INT8", "shape": [2], "data": [1, 2]}
    words = json.dumps({"inputs": [inline, _binary("x", "INT8", 2)]}).encode()
    for _ in range(2):
        request = decode_request(memoryview(words + b"\3\4"), len(words), "m", "")
        assert [tensor.data.tolist() for tensor in request.inputs] == [[1, 2], [3, 4]]


def _binary(name: str, datatype: str, size: int) -> dict[str, object]:
    return {"name": name, "datatype": datatype, "shape": [2], "parameters": {"binary_data_size": size}}
