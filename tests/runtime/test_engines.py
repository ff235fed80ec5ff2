"""Models are loaded with what a device has, or refused with what to change. Real ONNX Runtime throughout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgewise.api.names import Reason
from edgewise_runtime.engines import cores, load
from edgewise_runtime.engines.base import EngineOptions, InputRefusedError, ModelLoadError
from tests.runtime import tinyonnx
from tests.runtime.tinyonnx import ONNX_TYPES, info


@pytest.mark.parametrize("datatype", ONNX_TYPES)
def test_every_datatype_goes_through_the_engine_unchanged(datatype: str, tmp_path: Path) -> None:
    session = load(tinyonnx.echo(tmp_path, datatype, ["n"]), "ONNX", EngineOptions())
    values: Any = [b"a", "ü".encode()] if datatype == "BYTES" else [1, 0]
    sent = np.array(
        values, dtype=object if datatype == "BYTES" else helper.tensor_dtype_to_np_dtype(ONNX_TYPES[datatype])
    )
    (received,) = session.run({"x": sent}, ["y"])
    assert received.dtype == sent.dtype
    assert received.tolist() == sent.tolist()
    assert (session.inputs[0].datatype, session.inputs[0].shape) == (datatype, (-1,))
    session.close()


def test_bytes_that_are_no_text_are_the_clients_fault(tmp_path: Path) -> None:
    session = load(tinyonnx.echo(tmp_path, "BYTES", ["n"]), "ONNX", EngineOptions())
    with pytest.raises(InputRefusedError, match="UTF-8"):
        session.run({"x": np.array([b"\xff"], dtype=object)}, ["y"])


def test_only_the_wanted_outputs_are_computed_in_the_wanted_order(tmp_path: Path) -> None:
    session = load(tinyonnx.linear(tmp_path, np.eye(2)), "ONNX", EngineOptions())
    twice, logits = session.run({"x": np.ones((1, 2), np.float32)}, ["twice", "logits"])
    assert (twice.tolist(), logits.tolist()) == ([[2, 2]], [[1, 1]])


def test_an_accelerator_that_is_not_here_falls_to_the_cpu_and_says_so(tmp_path: Path) -> None:
    options = EngineOptions(providers=("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"))
    assert load(tinyonnx.linear(tmp_path, np.eye(2)), "ONNX", options).provider == "CPUExecutionProvider"


@pytest.mark.parametrize("providers", [("CUDAExecutionProvider", "CPUExecutionProvider"), ()])
def test_an_accelerator_that_must_be_here_and_is_not_is_a_failure(providers: tuple[str, ...], tmp_path: Path) -> None:
    options = EngineOptions(providers=providers, require_accelerator=True)
    with pytest.raises(ModelLoadError, match="requires an accelerator") as failure:
        load(tinyonnx.linear(tmp_path, np.eye(2)), "ONNX", options)
    assert failure.value.reason == Reason.ACCELERATOR_MISSING


UNSERVED = {
    "an engine of another image": ("ONNX", EngineOptions(engine="LiteRT"), "coral image"),
    "a format of another engine": ("TFLite", EngineOptions(), "loads ONNX, not TFLite"),
}


@pytest.mark.parametrize("case", UNSERVED)
def test_what_this_image_cannot_load_is_not_supported(case: str, tmp_path: Path) -> None:
    kind, options, expected = UNSERVED[case]
    with pytest.raises(ModelLoadError, match=expected) as failure:
        load(tmp_path / "model", kind, options)
    assert failure.value.reason == Reason.NOT_SUPPORTED


BROKEN = {
    "empty": b"",
    "text": b"this is not a model",
    "cut off": b"\x08\x09\x3a\xff\xff\xff\x07abc",
    "a number without end": b"\xff" * 40,
    "protobuf, but no model": b"\x08\x09",
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_file_that_is_no_model_fails_to_load(case: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(BROKEN[case])
    with pytest.raises(ModelLoadError) as failure:
        load(path, "ONNX", EngineOptions())
    assert failure.value.reason == Reason.LOAD_FAILED


def test_a_missing_file_fails_to_load(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="not a readable ONNX file"):
        load(tmp_path / "none.onnx", "ONNX", EngineOptions())


def external(name: str) -> TensorProto:
    """A tensor that says its bytes are in a file beside the model."""
    tensor = numpy_helper.from_array(np.ones(4, np.float32), name)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    return tensor


def in_initializer() -> onnx.GraphProto:
    node = helper.make_node("Identity", ["w"], ["y"])
    return helper.make_graph([node], "g", [], [info("y", TensorProto.FLOAT, [4])], [external("w")])


def in_constant() -> onnx.GraphProto:
    node = helper.make_node("Constant", [], ["y"], value=external("v"))
    return helper.make_graph([node], "g", [], [info("y", TensorProto.FLOAT, [4])])


def in_branch() -> onnx.GraphProto:
    branch = helper.make_graph(
        [helper.make_node("Identity", ["w"], ["b"])], "b", [], [info("b", TensorProto.FLOAT, [4])], [external("w")]
    )
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    return helper.make_graph([node], "g", [info("c", TensorProto.BOOL, [])], [info("y", TensorProto.FLOAT, [4])])


@pytest.mark.parametrize("graph", [in_initializer, in_constant, in_branch])
def test_tensors_in_other_files_are_refused_wherever_they_hide(graph: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(helper.make_model(graph(), opset_imports=[helper.make_opsetid("", 17)]).SerializeToString())
    np.ones(4, np.float32).tofile(tmp_path / "weights.bin")
    with pytest.raises(ModelLoadError, match="keeps tensors in other files"):
        load(path, "ONNX", EngineOptions())


def test_tensors_in_other_files_are_refused_in_functions(tmp_path: Path) -> None:
    constant = helper.make_node("Constant", [], ["o"], value=external("v"))
    function = helper.make_function("own", "F", [], ["o"], [constant], [helper.make_opsetid("", 17)])
    graph = helper.make_graph(
        [helper.make_node("F", [], ["y"], domain="own")], "g", [], [info("y", TensorProto.FLOAT, [4])]
    )
    model = helper.make_model(
        graph, functions=[function], opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    )
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelLoadError, match="keeps tensors in other files"):
        load(path, "ONNX", EngineOptions())


def test_an_output_that_is_no_tensor_is_left_out(tmp_path: Path) -> None:
    nodes = [helper.make_node("SequenceConstruct", ["x"], ["list"]), helper.make_node("Neg", ["x"], ["y"])]
    outputs = [
        helper.make_tensor_sequence_value_info("list", TensorProto.FLOAT, None),
        info("y", TensorProto.FLOAT, ["n"]),
    ]
    path = tinyonnx.save(tmp_path / "model.onnx", nodes, [info("x", TensorProto.FLOAT, ["n"])], outputs)
    assert [spec.name for spec in load(path, "ONNX", EngineOptions()).outputs] == ["y"]


QUOTAS = {"max 100000": 8, "50000 100000": 1, "150000 100000": 2, "1600000 100000": 8, "nonsense": 8}


@pytest.mark.parametrize("quota", QUOTAS)
def test_threads_follow_the_pods_cpu_limit(quota: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpu.max").write_text(quota)
    monkeypatch.setattr(cores, "_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(8))
    assert cores.usable_cores() == QUOTAS[quota]
