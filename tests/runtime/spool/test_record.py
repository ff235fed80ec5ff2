"""An example as a file: numpy, pandas' users and unzip read it without us, and nothing in it is a pickle."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgewise_runtime.protocol.datatypes import BYTES, DTYPES
from edgewise_runtime.protocol.messages import InferRequest, Tensor
from edgewise_runtime.spool.example import Example
from edgewise_runtime.spool.record import encode, identity
from tests.runtime.spool.examples import NOW, ORIGIN, example

READER = """
import json, sys
import numpy as np
with np.load(sys.argv[1]) as example:
    about = json.loads(example["example.json"])
    tensors = {tensor["name"]: example[tensor["array"]] for tensor in about["inputs"] + about["outputs"]}
print(json.dumps([about["model"], about["confidence"], {name: array.tolist() for name, array in tensors.items()}]))
"""


def opened(data: bytes) -> dict[str, Any]:
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def about(data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(opened(data)["example.json"])
    return found


def of(tensor: Tensor) -> Example:
    return Example(InferRequest("m", (tensor,)), None, None, "Unavailable", "")


def test_it_says_who_saw_what_when_and_how_sure_it_was() -> None:
    said = about(encode(example(id="frame-7"), ORIGIN, NOW))
    arrays = said.pop("inputs"), said.pop("outputs")
    assert said == {
        "format": "edgewise-example/1", "time": "2025-11-21T04:40:00.000000+00:00", "device": "pi-17",
        "deployment": "factory/digits", "release": "r1", "model": "digits", "version": "2.1.0",
        "reason": "LowConfidence", "confidence": 0.4, "source": "device", "id": "frame-7",
    }  # fmt: skip
    assert arrays == (
        [{"array": "input_0", "name": "x", "datatype": "FP32", "shape": [1, 8]}],
        [{"array": "output_0", "name": "logits", "datatype": "FP32", "shape": [1, 2]}],
    )


def test_another_program_reads_it_with_numpy_alone(tmp_path: Path) -> None:
    file = tmp_path / "example.npz"
    file.write_bytes(encode(example(size=2), ORIGIN, NOW))
    run = subprocess.run([sys.executable, "-I", "-c", READER, file], check=True, capture_output=True, text=True)
    x = example(size=2).request.inputs[0].data
    assert json.loads(run.stdout) == ["digits", 0.4, {"x": x.tolist(), "logits": pytest.approx(np.array([[0.1, 0.2]]))}]


@given(st.sampled_from(sorted(DTYPES)), hnp.array_shapes(min_dims=0, min_side=0), st.data())
def test_numbers_come_back_bit_by_bit(datatype: str, shape: tuple[int, ...], data: st.DataObject) -> None:
    array = data.draw(hnp.arrays(DTYPES[datatype], shape))
    back = opened(encode(of(Tensor("x", datatype, array)), ORIGIN, NOW))["input_0"]
    assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, array.shape, array.tobytes())


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_texts_and_pictures_come_back_byte_by_byte(elements: list[bytes]) -> None:
    array = np.empty(len(elements), dtype=object)
    array[:] = elements
    raw = opened(encode(of(Tensor("x", BYTES, array)), ORIGIN, NOW))["input_0"].tobytes()
    back = []
    while raw:
        size = int.from_bytes(raw[:4], "little")
        back.append(raw[4 : 4 + size])
        raw = raw[4 + size :]
    assert back == elements


def test_a_request_without_an_answer_is_an_example_too() -> None:
    said = about(encode(of(Tensor("x", "INT8", np.zeros((1, 2), np.int8))), ORIGIN, NOW))
    assert (said["reason"], said["confidence"], said["source"], said["outputs"]) == ("Unavailable", None, None, [])


def test_names_of_tensors_are_no_names_of_files() -> None:
    """Whoever unpacks an example with unzip must not write where a client wanted."""
    data = encode(of(Tensor("../../etc/passwd", "INT8", np.zeros(1, np.int8))), ORIGIN, NOW)
    assert sorted(opened(data)) == ["example.json", "input_0"]


def test_a_clock_that_was_never_set_is_no_obstacle() -> None:
    assert about(encode(example(), ORIGIN, 12.5))["time"] == "1970-01-01T00:00:12.500000+00:00"


def test_the_same_example_has_the_same_name_wherever_it_is_packed() -> None:
    assert identity(encode(example(), ORIGIN, NOW)) == identity(encode(example(), ORIGIN, NOW))


def test_views_into_larger_arrays_do_not_take_those_along() -> None:
    batch = np.random.default_rng(0).standard_normal((1000, 64)).astype(np.float32)
    assert len(encode(of(Tensor("x", "FP32", batch[:1])), ORIGIN, NOW)) < 2000
