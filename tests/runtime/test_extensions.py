"""Models whose graph prepares its own input, with operators of onnxruntime-extensions."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgewise_runtime.engines import load
from edgewise_runtime.engines.base import EngineOptions, ModelLoadError
from edgewise_runtime.engines.extensions import library_for
from tests.runtime import tinyonnx


def upper(folder: Path, domain: str = "ai.onnx.contrib") -> Path:
    """y = x in capitals, by an operator that ONNX does not have."""
    node = helper.make_node("StringUpper", ["x"], ["y"], domain=domain)
    text = TensorProto.STRING
    graph = helper.make_graph([node], "upper", [tinyonnx.info("x", text, ["n"])], [tinyonnx.info("y", text, ["n"])])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(domain, 1)]
    path = folder / "upper.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    return path


def test_a_graph_with_such_operators_runs(tmp_path: Path) -> None:
    session = load(upper(tmp_path), "ONNX", EngineOptions(threads=1))
    (texts,) = session.run({"x": np.array([b"edge", b"wise"], dtype=object)}, ["y"])
    assert texts.tolist() == [b"EDGE", b"WISE"]


def test_a_plain_model_does_without_the_library(tmp_path: Path) -> None:
    assert library_for(tinyonnx.subtract(tmp_path)) is None


def test_where_the_library_is_missing_the_message_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelLoadError, match="has operators of onnxruntime-extensions, which this image has not"):
        load(upper(tmp_path), "ONNX", EngineOptions())


def test_operators_of_somebody_else_are_refused_in_the_engines_words(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="StringUpper"):
        load(upper(tmp_path, "some.vendor"), "ONNX", EngineOptions())
