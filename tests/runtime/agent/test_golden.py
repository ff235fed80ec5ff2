"""Data of self tests: what is taken, and that nothing in a file is believed or run."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib import format as npy

from edgewise_runtime.agent import golden
from edgewise_runtime.agent.golden import Golden, GoldenError
from tests.runtime.agent.goldens import npz

TENSOR = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name.replace('__', '.')}.npy", content)
    return path


def header(shape: tuple[int, ...], descr: str = "<f4") -> bytes:
    file = io.BytesIO()
    npy.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue()


def test_a_file_has_inputs_outputs_and_labels_in_any_order_of_bytes_and_axes(tmp_path: Path) -> None:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    path = npz(
        tmp_path / "g.npz",
        input__x=np.asfortranarray(x),
        output__y=x.astype(">f8"),
        label__y=np.array(["cat", "dög"]),
        input__raw=np.array([b"\xff\xd8", b"\xff"], dtype="S2"),
    )
    found = golden.read(path)
    assert np.array_equal(found.inputs["x"], x)
    assert found.outputs["y"].dtype == np.dtype("=f8")
    assert np.array_equal(found.outputs["y"], x)
    assert found.labels["y"].tolist() == [b"cat", "dög".encode()]
    assert found.inputs["raw"].tolist() == [b"\xff\xd8", b"\xff"]


def test_a_compressed_file_is_one_too(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {"input.x": np.ones(3), "label.y": np.ones(3, np.int64)}
    np.savez_compressed(tmp_path / "g.npz", **arrays)
    assert golden.read(tmp_path / "g.npz").labels["y"].tolist() == [1, 1, 1]


def test_json_is_as_in_a_request_and_an_answer() -> None:
    texts = {"name": "label", "shape": [1], "datatype": "BYTES", "data": ["cat"]}
    found = golden.read(json.dumps({"inputs": [TENSOR], "outputs": [texts], "labels": [{**TENSOR, "name": "z"}]}))
    assert found.inputs["x"].tolist() == [[1, 2]]
    assert found.outputs["label"].tolist() == [b"cat"]
    assert found.labels["z"].tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "cannot be read"),
        ("[]", "must be an object"),
        ("{}", "there is no input in its data"),
        (json.dumps({"inputs": [TENSOR]}), "neither what must come out nor a label"),
        (json.dumps({"inputs": [{**TENSOR, "shape": [3]}]}), "x: shape [3] takes 3 values, 2 were sent"),
        (json.dumps({"inputs": [TENSOR, TENSOR]}), "x"),
        (json.dumps({"inputs": [{**TENSOR, "parameters": {"binary_data_size": 8}, "data": None}]}), "only 0 bytes"),
    ],
)
def test_json_that_is_none_of_it_is_refused_with_the_place(text: str, says: str) -> None:
    with pytest.raises(GoldenError) as refused:
        golden.read(text)
    assert says in str(refused.value)


def test_no_pickle_is_opened(tmp_path: Path) -> None:
    with pytest.raises(GoldenError, match="numbers, booleans and strings are taken"):
        golden.read(npz(tmp_path / "g.npz", input__x=np.array([{"a": 1}], dtype=object)))


HOSTILE: dict[str, tuple[dict[str, bytes], str]] = {
    "more than it has": ({"input__x": header((2**40,)) + b"\0" * 8}, "and has another size"),
    "less than it has": ({"input__x": header((1,)) + b"\0" * 8}, "and has another size"),
    "sizes below nothing": ({"input__x": header((-1, -2)) + b"\0" * 8}, "and has another size"),
    "a header that is code": (
        {"input__x": b"\x93NUMPY\x01\x00" + struct.pack("<H", 20) + b"__import__('os').abc"}, "no .npy file"
    ),
    "a header without an end": ({"input__x": b"\x93NUMPY\x01\x00\xff\xff{"}, "no .npy file"),
    "another version": ({"input__x": b"\x93NUMPY\x09\x00" + b"\0" * 64}, "no .npy file"),
    "no array at all": ({"input__x": b"hello"}, "no .npy file"),
    "another name": ({"x": header((0,))}, "array 'x' is none of"),
    "dates": ({"input__x": header((1,), "<M8[s]") + b"\0" * 8}, "numbers, booleans and strings are taken"),
}  # fmt: skip


@pytest.mark.parametrize(("members", "says"), HOSTILE.values(), ids=HOSTILE)
def test_a_file_that_lies_is_refused(tmp_path: Path, members: dict[str, bytes], says: str) -> None:
    with pytest.raises(GoldenError) as refused:
        golden.read(zipped(tmp_path / "g.npz", **members))
    assert says in str(refused.value)


def test_a_file_that_unpacks_to_more_than_a_device_has_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = zipped(tmp_path / "g.npz", input__x=header((2**24,)) + b"\0" * 2**26)
    assert path.stat().st_size < 2**20
    with pytest.raises(GoldenError, match="its arrays take 64Mi; 32Mi is the most"):
        golden.read(path)


@pytest.mark.parametrize("cut", [0, 10, 200, -1])
def test_half_a_file_is_none(tmp_path: Path, cut: int) -> None:
    path = npz(tmp_path / "g.npz", input__x=np.ones((10, 10)), output__y=np.ones(3))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(GoldenError, match=r"no \.npz"):
        golden.read(path)


def test_an_empty_golden_has_nothing() -> None:
    assert Golden() == Golden({}, {}, {})
