"""Large JSON, whose numbers never become Python objects, means what small JSON means; so do its mistakes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgewise_runtime.engines import memory
from edgewise_runtime.errors import BadRequestError
from edgewise_runtime.protocol import numbers
from edgewise_runtime.protocol.datatypes import NAMES
from edgewise_runtime.protocol.requests import decode_request
from tests.runtime.test_protocol_refusals import REFUSED_BYTES, REFUSED_JSON

NUMBER = st.integers(-300, 300) | st.integers() | st.floats() | st.booleans() | st.none() | st.text(max_size=2)
LISTS = st.recursive(st.lists(NUMBER, max_size=4), lambda inner: st.lists(inner | NUMBER, max_size=3), max_leaves=6)
MANY = list(range(3000))


def outcome(raw: bytes, smallest: int) -> Any:
    """Tensors, or what is said against them; `smallest`: from how many bytes on numbers.py is asked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numbers, "SMALLEST", smallest)
        try:
            request = decode_request(memoryview(raw), None, "m", "")
        except BadRequestError as error:
            return str(error)
    return request.outputs, [(t.name, t.datatype, t.shape, t.data.dtype, t.data.tolist()) for t in request.inputs]


def same_either_way(raw: bytes) -> Any:
    large, small = outcome(raw, 0), outcome(raw, 10**9)
    assert repr(large) == repr(small)
    return large


@given(st.sampled_from(NAMES), st.lists(st.integers(1, 3), max_size=3), LISTS)
@example("FP32", [3], [1, [2, 3], []])
@example("FP32", [2], [[1, 2], []])
@example("FP64", [2], [2**53 + 1, 2**63])
@example("UINT64", [2], [2**64 - 1, 0])
@example("INT64", [2], [2**63, 0])
@example("INT8", [2], [300, 0])
@example("FP32", [2], [1e39, 0])
@example("FP32", [2], [-0.0, 0])
@example("BOOL", [2], [True, False])
@example("BYTES", [2], ["[", "]"])
def test_data_means_the_same_either_way(datatype: str, shape: list[int], data: list[Any]) -> None:
    item = {"name": "x", "datatype": datatype, "shape": shape, "data": data}
    same_either_way(json.dumps({"inputs": [item], "outputs": [{"name": "y"}]}).encode())


STRANGE = {
    "NUL": b'"a\\u0000b"',
    "another's and NUL": b'"data\\u0000"',
    "nothing": b'""',
    "a pair": b'"\\ud83d\\udca5"',
}


@pytest.mark.parametrize("case", STRANGE)
def test_strange_names_mean_the_same_either_way(case: str) -> None:
    item = b'{"name": "x", "datatype": "INT8", "shape": [1], %b: 7, "data": [1]}' % STRANGE[case]
    _, ((_, _, _, _, values),) = same_either_way(b'{%b: 8, "inputs": [%b]}' % (STRANGE[case], item))
    assert values == [1]


@pytest.mark.parametrize("case", REFUSED_JSON)
def test_mistakes_are_named_the_same_either_way(case: str) -> None:
    assert REFUSED_JSON[case][1] in same_either_way(json.dumps(REFUSED_JSON[case][0]).encode())


@pytest.mark.parametrize("case", [case for case, (_, json_size, _) in REFUSED_BYTES.items() if json_size is None])
def test_what_is_no_json_is_refused_the_same_either_way(case: str) -> None:
    assert isinstance(same_either_way(REFUSED_BYTES[case][0]), str)


INPUT = b'{"name": "x", "datatype": "INT8", "shape": [1], "data": [1]}'
TWICE = {
    "a member of the message": b'{"inputs": [], "inputs": [%b]}' % INPUT,
    "a member of an input": b'{"inputs": [%b]}' % INPUT.replace(b'"data"', b'"data": [2], "data"'),
}


@pytest.mark.parametrize("case", TWICE)
def test_of_two_members_of_one_name_the_last_counts(case: str) -> None:
    _, ((_, _, _, _, values),) = same_either_way(TWICE[case])
    assert values == [1]


@pytest.mark.parametrize("datatype", ["FP32", "FP16", "BF16", "INT32", "UINT64"])
def test_flat_numbers_are_read_without_python_objects(datatype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbers.Numbers, "plain", None)  # what would make them
    item = {"name": "x", "datatype": datatype, "shape": [3000], "data": MANY}
    request = decode_request(memoryview(json.dumps({"inputs": [item]}).encode()), None, "m", "")
    assert np.allclose(request.inputs[0].data, MANY, rtol=2**-8)


def test_what_is_read_stays_while_the_next_is_read_and_after_memory_was_given_back() -> None:
    first, second = (
        numbers.parse(memoryview(json.dumps({"inputs": [{"data": data}]}).encode())) for data in (MANY, MANY[::-1])
    )
    memory.release()
    third = numbers.parse(memoryview(json.dumps({"inputs": [{"data": MANY}]}).encode()))
    for message, data in ((first, MANY), (second, MANY[::-1]), (third, MANY)):
        array = message["inputs"][0]["data"].array("i", (3000,))
        assert array.tolist() == data
