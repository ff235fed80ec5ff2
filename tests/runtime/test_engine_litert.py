"""What is particular to LiteRT: quantised tensors, signatures, variables, errors of its kernels, Edge TPU builds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgewise.api.names import Reason
from edgewise_runtime.engines import load
from edgewise_runtime.engines.base import EngineOptions, InputRefusedError, ModelLoadError, Quantization, Session
from tests.runtime import tinytflite


def opened(path: Path, *providers: str) -> Session:
    return load(path, "TFLite", EngineOptions("LiteRT", providers, threads=1))


def test_a_quantised_model_takes_and_gives_raw_integers_and_says_what_they_stand_for(tmp_path: Path) -> None:
    session = opened(tinytflite.quantized(tmp_path))
    (x,), (y,) = session.inputs, session.outputs
    assert (x.datatype, x.quantization) == ("INT8", Quantization((0.5,), (10,)))
    assert (y.datatype, y.quantization) == ("INT8", Quantization((1.0,), (0,)))
    (raw,) = session.run({"x": np.array([[10, 12, 14, 127]], np.int8)}, ["y"])
    assert raw.tolist() == [[0, 2, 4, 117]]
    assert x.quantization is not None
    assert y.quantization is not None
    wished = np.array([[0, 1, 2, 500]], np.float32)
    (raw,) = session.run({"x": x.quantization.integers(wished, np.int8)}, ["y"])
    assert y.quantization.real(raw).tolist() == [[0, 2, 4, 117]]  # 500 is beyond INT8, whose end stands for 58.5


def test_a_quantised_model_shows_real_numbers_where_the_profile_says_so(tmp_path: Path) -> None:
    options = EngineOptions("LiteRT", options={"session.tensors": "FP32"}, threads=1)
    session = load(tinytflite.quantized(tmp_path), "TFLite", options)
    assert [spec.datatype for spec in (*session.inputs, *session.outputs)] == ["FP32", "FP32"]
    assert session.inputs[0].quantization is None
    (y,) = session.run({"x": np.array([[0, 1, 2.2, 500]], np.float32)}, ["y"])
    assert y.tolist() == [[0, 2, 4, 117]]
    assert y.dtype == np.float32


def test_scales_of_an_axis_are_those_of_its_indices() -> None:
    each = Quantization((1.0, 10.0), (0, 1), axis=1)
    assert each.real(np.array([[1, 1], [2, 2]], np.int8)).tolist() == [[1, 0], [2, 10]]


def test_numbers_out_of_range_become_its_ends_and_nan_becomes_zero() -> None:
    integers = Quantization((0.5,), (10,)).integers(np.array([np.nan, np.inf, -np.inf, 1e9], np.float32), np.int8)
    assert integers.tolist() == [10, 127, -128, 127]


def test_names_are_those_of_the_signature_where_there_is_one(tmp_path: Path) -> None:
    session = opened(tinytflite.add(tmp_path, "FP32", [1, 4], {"image": 0, "scores": 1}))
    assert [spec.name for spec in (*session.inputs, *session.outputs)] == ["image", "scores"]
    (scores,) = session.run({"image": np.ones((1, 4), np.float32)}, ["scores"])
    assert scores.tolist() == [[2, 2, 2, 2]]


def test_what_a_model_remembers_does_not_leak_from_one_request_to_the_next(tmp_path: Path) -> None:
    session = opened(tinytflite.counting(tmp_path))
    totals = [session.run({"x": np.array([step], np.float32)}, ["y"])[0].tolist() for step in (1, 2, 3)]
    assert totals == [[1], [2], [3]]


def test_an_index_out_of_range_is_the_clients_fault_and_errors_do_not_pile_up(tmp_path: Path) -> None:
    session = opened(tinytflite.pick(tmp_path))
    told = []
    for index in (7, 7, 8):
        with pytest.raises(InputRefusedError, match="out of bounds") as failure:
            session.run({"x": np.array([index], np.int32)}, ["y"])
        told.append(str(failure.value))
    assert len(set(told)) == 1
    assert session.run({"x": np.array([1], np.int32)}, ["y"])[0].tolist() == [20]


def test_an_interpreter_full_of_errors_is_made_anew(tmp_path: Path) -> None:
    session = opened(tinytflite.pick(tmp_path))
    told = set()
    for _ in range(400):
        with pytest.raises(InputRefusedError) as failure:
            session.run({"x": np.array([7], np.int32)}, ["y"])
        told.add(str(failure.value))
    assert len(told) == 1
    assert session.run({"x": np.array([0], np.int32)}, ["y"])[0].tolist() == [10]


def test_a_build_for_the_edge_tpu_says_what_it_lacks_where_there_is_none(tmp_path: Path) -> None:
    path = tinytflite.compiled(tmp_path)
    with pytest.raises(ModelLoadError, match="compiled for an Edge TPU") as failure:
        load(path, "EdgeTPU", EngineOptions("LiteRT", ("EdgeTPU", "CPU")))
    assert failure.value.reason == Reason.ACCELERATOR_MISSING
