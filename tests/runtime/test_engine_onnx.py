"""What is particular to ONNX Runtime: text, tensors in other files, outputs that are none, BF16, its providers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgewise.api.names import Reason
from edgewise_runtime.engines import load
from edgewise_runtime.engines.base import EngineOptions, InputRefusedError, ModelLoadError
from edgewise_runtime.engines.onnx_providers import is_accelerator, providers
from tests.runtime import tinyonnx
from tests.runtime.tinyonnx import info


def test_bytes_that_are_no_text_are_the_clients_fault(tmp_path: Path) -> None:
    session = load(tinyonnx.echo(tmp_path, "BYTES", ["n"]), "ONNX", EngineOptions())
    with pytest.raises(InputRefusedError, match="UTF-8"):
        session.run({"x": np.array([b"\xff"], dtype=object)}, ["y"])


@pytest.mark.parametrize("content", [b"\x08\x09\x3a\xff\xff\xff\x07abc", b"\x08\x09"], ids=["cut off", "no model"])
def test_protobuf_that_is_no_model_fails_to_load(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelLoadError) as failure:
        load(path, "ONNX", EngineOptions())
    assert failure.value.reason == Reason.LOAD_FAILED


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


def compiled(folder: Path, *, embedded: int | None) -> Path:
    """A model whose only node was compiled for an accelerator."""
    node = helper.make_node(
        "EPContext", ["x"], ["y"], domain="com.microsoft", ep_cache_context="../engine.bin", source="Some"
    )
    if embedded is not None:
        node.attribute.append(helper.make_attribute("embed_mode", embedded))
    tensors = [info(name, TensorProto.FLOAT, [4]) for name in ("x", "y")]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(helper.make_graph([node], "g", tensors[:1], tensors[1:]), opset_imports=opsets)
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_what_was_compiled_into_another_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="compiled for an accelerator in another file"):
        load(compiled(tmp_path, embedded=0), "ONNX", EngineOptions())


@pytest.mark.parametrize("embedded", [1, None])
def test_what_was_compiled_into_the_file_itself_is_the_engines_to_judge(embedded: int | None, tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError) as failure:
        load(compiled(tmp_path, embedded=embedded), "ONNX", EngineOptions())
    assert "another file" not in str(failure.value)


def test_an_output_that_is_no_tensor_is_left_out(tmp_path: Path) -> None:
    nodes = [helper.make_node("SequenceConstruct", ["x"], ["list"]), helper.make_node("Neg", ["x"], ["y"])]
    outputs = [
        helper.make_tensor_sequence_value_info("list", TensorProto.FLOAT, None),
        info("y", TensorProto.FLOAT, ["n"]),
    ]
    path = tinyonnx.save(tmp_path / "model.onnx", nodes, [info("x", TensorProto.FLOAT, ["n"])], outputs)
    assert [spec.name for spec in load(path, "ONNX", EngineOptions()).outputs] == ["y"]


def test_bf16_is_rounded_to_the_nearest_on_its_way_in(tmp_path: Path) -> None:
    session = load(tinyonnx.echo(tmp_path, "BF16", ["n", 2]), "ONNX", EngineOptions())
    (received,) = session.run({"x": np.array([[1.00390625, -3.1415927]], np.float32)}, ["y"])
    assert received.tolist() == [[1.0, -3.140625]]
    assert received.dtype == np.float32


def test_an_index_out_of_range_is_the_clients_fault(tmp_path: Path) -> None:
    node = helper.make_node("Gather", ["values", "x"], ["y"])
    values = numpy_helper.from_array(np.array([10, 20], np.float32), "values")
    inputs, outputs = [info("x", TensorProto.INT64, [1])], [info("y", TensorProto.FLOAT, [1])]
    session = load(tinyonnx.save(tmp_path / "pick.onnx", [node], inputs, outputs, [values]), "ONNX", EngineOptions())
    with pytest.raises(InputRefusedError, match="out of"):
        session.run({"x": np.array([7])}, ["y"])


TRT, CUDA, CPU = "TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"
OTHER = "OtherExecutionProvider"
GIVEN = {
    "each to whom it concerns": (
        (TRT, CUDA, CPU),
        {"trt_fp16_enable": "1", "device_id": "0", f"{TRT}.device_id": "1", "session.disable_prepacking": "1"},
        [(TRT, {"trt_fp16_enable": "1", "device_id": "1"}), (CUDA, {"device_id": "0"}), (CPU, {})],
    ),
    "the first one gets the plain ones": ((CUDA,), {"device_id": "0"}, [(CUDA, {"device_id": "0"}), (CPU, {})]),
    "a provider that is not here gets none": ((OTHER, CUDA), {f"{OTHER}.x": "1", "y": "2"}, [(CUDA, {}), (CPU, {})]),
    "nobody to give them to": ((), {"device_id": "0", "trt_fp16_enable": "1"}, [(CPU, {})]),
}


@pytest.mark.parametrize("case", GIVEN)
def test_options_go_to_the_providers_they_are_for(case: str) -> None:
    names, options, expected = GIVEN[case]
    assert providers(EngineOptions(providers=names, options=options), [TRT, CUDA, CPU]) == expected


@pytest.mark.parametrize(
    ("device", "expected"), [("", False), ("CPU", False), ("CPU_FP32", False), ("GPU", True), ("NPU", True)]
)
def test_openvino_is_an_accelerator_only_on_another_device_than_the_cpu(device: str, expected: bool) -> None:
    options = EngineOptions(options={"device_type": device} if device else {})
    assert is_accelerator("OpenVINOExecutionProvider", options) is expected
