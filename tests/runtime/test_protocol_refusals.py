"""Every way in which a request can be wrong, and what is said of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgewise_runtime.engines.base import TensorSpec
from edgewise_runtime.errors import BadRequestError
from edgewise_runtime.protocol.requests import decode_raw, decode_request


def message(**changes: Any) -> dict[str, Any]:
    """An input, changed; None takes a member away."""
    item = {"name": "x", "datatype": "FP32", "shape": [2, 2], "data": [1, 2, 3, 4]} | changes
    return {"inputs": [{key: value for key, value in item.items() if value is not None}]}


def wanting(parameters: dict[str, Any]) -> dict[str, Any]:
    """An output asked for with `parameters`."""
    return message() | {"outputs": [{"name": "y", "parameters": parameters}]}


REFUSED_JSON: dict[str, tuple[dict[str, Any], str]] = {
    "no inputs": ({}, "no inputs"),
    "inputs no list": ({"inputs": {"name": "x"}}, "list of objects"),
    "too many inputs": ({"inputs": [{}] * 257}, "at most 256"),
    "no name": (message(name=None), "name"),
    "a name that is a number": (message(name=7), "name"),
    "an endless name": (message(name="n" * 300), "256"),
    "an unknown datatype": (message(datatype="FLOAT"), "FP32"),
    "more than BF16 holds": (message(datatype="BF16", data=[1, 2, 3, 3.4e38]), "larger than"),
    "a timeout that is text": (message() | {"parameters": {"timeout": "1"}}, "microseconds"),
    "a timeout below 0": (message() | {"parameters": {"timeout": -1}}, "microseconds"),
    "half a surrogate as a name": (message(name="\ud800"), "name"),
    "half a surrogate as an id": (message() | {"id": "\ud800"}, "id must be a string"),
    "no shape": (message(shape=None), "shape"),
    "a negative dimension": (message(shape=[-2, -2]), "shape"),
    "a dimension of zero": (message(shape=[0, 2], data=[]), "from 1 up"),
    "a fractional dimension": (message(shape=[2.0, 2]), "integers"),
    "a boolean dimension": (message(shape=[True, 4]), "integers"),
    "too many dimensions": (message(shape=[1] * 40), "at most 32"),
    "a product that would wrap round 64 bits": (message(shape=[2**32, 2**32]), "takes 18446744073709551616 values"),
    "a dimension beyond 64 bits": (message(shape=[2**64]), "shape"),
    "products too long to print": (message(shape=[2**62] * 32), "4 were sent"),
    "no data": (message(data=None), "binary_data_size"),
    "too few values": (message(data=[1, 2, 3]), "takes 4 values, 3"),
    "too many values": (message(data=[1, 2, 3, 4, 5]), "takes 4 values, 5"),
    "ragged rows": (message(data=[[1, 2], [3]]), "rows of different lengths"),
    "rows that contradict the shape": (message(data=[[1, 2, 3, 4]]), "nested"),
    "nested too deeply": (message(data=[[[1], [2]], [[3], [4]]]), "FP32 data must be numbers"),
    "rows and numbers mixed": (message(data=[[1, 2], 3]), "nested"),
    "text for a number": (message(data=["1", "2", "3", "4"]), "numbers"),
    "null for a number": (message(data=[1, 2, 3, None]), "numbers"),
    "true for a number": (message(data=[1, 2, 3, True]), "numbers"),
    "more than FP32 holds": (message(data=[1, 2, 3, 1e39]), "larger than"),
    "more than FP16 holds": (message(datatype="FP16", data=[1, 2, 3, 70000]), "larger than"),
    "an integer no float holds": (message(datatype="FP64", data=[1, 2, 3, 10**400]), "too large"),
    "300 as INT8": (message(datatype="INT8", data=[1, 2, 3, 300]), "-128 … 127"),
    "-1 as UINT64": (message(datatype="UINT64", data=[1, 2, 3, -1]), "-1 is not within 0"),
    "1.5 as INT32": (message(datatype="INT32", data=[1, 2, 3, 1.5]), "integers"),
    "1 as BOOL": (message(datatype="BOOL", data=[True, False, True, 1]), "true or false"),
    "a number as BYTES": (message(datatype="BYTES", data=["a", "b", "c", 1]), "strings"),
    "half a surrogate as BYTES": (message(datatype="BYTES", data=["a", "b", "c", "\ud800"]), "strings"),
    "the same input twice": ({"inputs": message()["inputs"] * 2}, "inputs names 'x' twice"),
    "parameters no object": (message(parameters=[1]), "parameters must be an object"),
    "a parameter that is a list": (message(parameters={"a": [1]}), "parameters: 'a'"),
    "too many parameters": (message(parameters={str(n): n for n in range(65)}), "at most 64"),
    "shared memory": (message(parameters={"shared_memory_region": "r"}), "shared memory"),
    "an id that is a number": (message() | {"id": 7}, "id must be a string"),
    "the same output twice": (message() | {"outputs": [{"name": "y"}, {"name": "y"}]}, "twice"),
    "the classification extension": (wanting({"classification": 3}), "classification is not served"),
    "binary_data no boolean": (wanting({"binary_data": 1}), "true or false"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED_JSON)
def test_json_is_refused_with_what_is_wrong(case: str) -> None:
    content, expected = REFUSED_JSON[case]
    with pytest.raises(BadRequestError) as refusal:
        decode_request(memoryview(json.dumps(content).encode()), None, "m", "")
    assert expected in str(refusal.value)
    assert len(str(refusal.value)) < 2000


REFUSED_BYTES = {
    "not JSON": (b"hello", None, "cannot be read"),
    "an array": (b"[]", None, "must be an object"),
    "not UTF-8": (b"\xff\xfe{}", None, "UTF-8"),
    "nothing": (b"", None, "cannot be read"),
    "NaN": (b'{"inputs": [NaN]}', None, "NaN"),
    "nesting without end": (b"[" * 100_000, None, "nested too deeply"),
    "a number that reads as infinity": (
        b'{"inputs": [{"name": "x", "datatype": "FP64", "shape": [1], "data": [1e999]}]}',
        None,
        "larger than",
    ),
    "an integer without end": (b'{"a": ' + b"9" * 5000 + b"}", None, "cannot be read"),
    "a JSON part longer than the body": (b"{}", 3, "the body has 2 bytes"),
    "JSON cut off by the header": (b'{"inputs": []}', 5, "cannot be read"),
}


@pytest.mark.parametrize("case", REFUSED_BYTES)
def test_bytes_are_refused_with_what_is_wrong(case: str) -> None:
    body, json_size, expected = REFUSED_BYTES[case]
    with pytest.raises(BadRequestError, match=expected):
        decode_request(memoryview(body), json_size, "m", "")


def binary_item(size: Any, datatype: str = "FP32", shape: tuple[int, ...] = (2,), **more: Any) -> dict[str, Any]:
    return {"name": "x", "datatype": datatype, "shape": list(shape), "parameters": {"binary_data_size": size}} | more


REFUSED_BINARY = {
    "fewer bytes than the shape": (binary_item(4), b"\0" * 4, "takes 8 bytes, 4 were sent"),
    "more bytes than the shape": (binary_item(12), b"\0" * 12, "takes 8 bytes, 12 were sent"),
    "fewer bytes than declared": (binary_item(8), b"\0" * 4, "only 4 bytes are left"),
    "bytes after the last tensor": (binary_item(8), b"\0" * 9, "1 bytes follow"),
    "a negative size": (binary_item(-8), b"\0" * 8, "number of bytes"),
    "a size that is text": (binary_item("8"), b"\0" * 8, "number of bytes"),
    "a size that is true": (binary_item(True), b"\0", "number of bytes"),
    "data beside the bytes": (binary_item(8, data=[1, 2]), b"\0" * 8, "both data and binary_data_size"),
    "a BOOL of 2": (binary_item(2, "BOOL"), b"\x01\x02", "0 or 1"),
    "BYTES cut off in a length": (binary_item(7, "BYTES"), b"\x01\0\0\0a\0\0", "at least 8 bytes"),
    "BYTES cut off in an element": (binary_item(9, "BYTES"), b"\x01\0\0\0a\x09\0\0\0", "says 9 bytes, 0 are left"),
    "BYTES with more after": (binary_item(9, "BYTES", (1,)), b"\x01\0\0\0abcde", "follow the last BYTES element"),
    "a billion BYTES in four bytes": (binary_item(4, "BYTES", (10**9,)), b"\0" * 4, "at least 4000000000 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED_BINARY)
def test_binary_data_is_refused_with_what_is_wrong(case: str) -> None:
    item, tail, expected = REFUSED_BINARY[case]
    head = json.dumps({"inputs": [item]}).encode()
    with pytest.raises(BadRequestError, match=expected):
        decode_request(memoryview(head + tail), len(head), "m", "")


RAW_REFUSED = {
    "two inputs": ([TensorSpec("a", "FP32", (1,)), TensorSpec("b", "FP32", (1,))], 4, "one input"),
    "text": ([TensorSpec("a", "BYTES", (2,))], 4, "cannot be sent raw"),
    "two free dimensions": ([TensorSpec("a", "FP32", (-1, -1, -1))], 4, "cannot be worked out"),
    "half a value": ([TensorSpec("a", "FP32", (-1, -1))], 6, "do not fill"),
    "nothing": ([TensorSpec("a", "FP32", (-1, -1))], 0, "do not fill"),
    "too much": ([TensorSpec("a", "FP32", (2,))], 12, "takes 8 bytes"),
}


@pytest.mark.parametrize("case", RAW_REFUSED)
def test_a_raw_request_is_refused_with_what_is_wrong(case: str) -> None:
    specs, size, expected = RAW_REFUSED[case]
    with pytest.raises(BadRequestError, match=expected):
        decode_raw(memoryview(bytes(size)), specs, "m", "")
