"""Real ONNX models of a few hundred bytes, each made for one thing a test needs to see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

ONNX_TYPES = {
    "BOOL": TensorProto.BOOL, "UINT8": TensorProto.UINT8, "UINT16": TensorProto.UINT16, "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64, "INT8": TensorProto.INT8, "INT16": TensorProto.INT16, "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64, "FP16": TensorProto.FLOAT16, "FP32": TensorProto.FLOAT, "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING, "BF16": TensorProto.BFLOAT16,
}  # fmt: skip

Shape = list[int | str]


def echo(folder: Path, datatype: str, shape: Shape) -> Path:
    """y = x."""
    node = helper.make_node("Identity", ["x"], ["y"])
    kind = ONNX_TYPES[datatype]
    return save(folder / f"echo-{datatype}.onnx", [node], [info("x", kind, shape)], [info("y", kind, shape)])


def linear(folder: Path, weights: NDArray[Any], name: str = "linear") -> Path:
    """logits = x @ weights, any number of rows; and twice = 2 * logits, to have an output that may be left out."""
    inputs, outputs = weights.shape
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["logits"]),
        helper.make_node("Add", ["logits", "logits"], ["twice"]),
    ]
    return save(
        folder / f"{name}.onnx",
        nodes,
        [info("x", TensorProto.FLOAT, ["n", inputs])],
        [info("logits", TensorProto.FLOAT, ["n", outputs]), info("twice", TensorProto.FLOAT, ["n", outputs])],
        [numpy_helper.from_array(weights.astype(np.float32), "w")],
    )


def subtract(folder: Path) -> Path:
    """difference = a - b, both [2]."""
    node = helper.make_node("Sub", ["a", "b"], ["difference"])
    inputs = [info("a", TensorProto.FLOAT, [2]), info("b", TensorProto.FLOAT, [2])]
    return save(folder / "subtract.onnx", [node], inputs, [info("difference", TensorProto.FLOAT, [2])])


def busy(folder: Path) -> Path:
    """Multiplies a 128 x 128 matrix `rounds` times, so that a request says how long it takes; result = rounds."""
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["m_in", "m_in"], ["m_out"]),
            helper.make_node("Identity", ["go_in"], ["go_out"]),
            helper.make_node("Add", ["count_in", "one"], ["count_out"]),
        ],
        "body",
        [
            info("i", TensorProto.INT64, []),
            info("go_in", TensorProto.BOOL, []),
            info("m_in", TensorProto.FLOAT, [128, 128]),
            info("count_in", TensorProto.INT64, [1]),
        ],
        [
            info("go_out", TensorProto.BOOL, []),
            info("m_out", TensorProto.FLOAT, [128, 128]),
            info("count_out", TensorProto.INT64, [1]),
        ],
    )
    nodes = [
        helper.make_node("Squeeze", ["rounds"], ["trips"]),
        helper.make_node("Loop", ["trips", "go", "m", "zero"], ["last", "result"], body=body),
    ]
    constants = {
        "m": np.zeros((128, 128), np.float32),
        "go": np.array(True),
        "zero": np.zeros(1, np.int64),
        "one": np.ones(1, np.int64),
    }
    return save(
        folder / "busy.onnx",
        nodes,
        [info("rounds", TensorProto.INT64, [1])],
        [info("result", TensorProto.INT64, [1])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )


def picky(folder: Path) -> Path:
    """Loads always; takes any number of values, and fails on all but six."""
    node = helper.make_node("Reshape", ["x", "shape"], ["y"])
    shape = numpy_helper.from_array(np.array([2, 3], np.int64), "shape")
    inputs, outputs = [info("x", TensorProto.FLOAT, ["n"])], [info("y", TensorProto.FLOAT, [2, 3])]
    return save(folder / "picky.onnx", [node], inputs, outputs, [shape])


def info(name: str, kind: int, shape: Shape) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def save(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    constants: list[onnx.TensorProto] | None = None,
) -> Path:
    graph = helper.make_graph(nodes, path.stem, inputs, outputs, constants or [])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def colours(folder: Path, batch: int | str = "n", metadata: dict[str, str] | None = None) -> Path:
    """logits [batch, 3] = mean red, green and blue of pixels [batch, 3, 4, 4]."""
    node = helper.make_node("ReduceMean", ["pixels"], ["logits"], axes=[2, 3], keepdims=0)
    inputs = [info("pixels", TensorProto.FLOAT, [batch, 3, 4, 4])]
    path = save(folder / "colours.onnx", [node], inputs, [info("logits", TensorProto.FLOAT, [batch, 3])])
    if metadata:
        model = onnx.load(path)
        helper.set_model_props(model, metadata)
        onnx.save(model, path)
    return path


def finder(folder: Path, rows: NDArray[Any]) -> Path:
    """found [n, boxes, numbers]: the same `rows` [boxes, numbers] in every picture of 8 x 8 pixels."""
    nodes = [
        helper.make_node("ReduceMean", ["pixels"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("ReduceMean", ["mean"], ["grey"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["grey", "zero"], ["nothing"]),
        helper.make_node("Unsqueeze", ["nothing", "last"], ["lifted"]),
        helper.make_node("Add", ["lifted", "rows"], ["found"]),
    ]
    constants: dict[str, NDArray[Any]] = {
        "zero": np.zeros(1, np.float32),
        "last": np.array([2], np.int64),
        "rows": rows[None].astype(np.float32),
    }
    return save(
        folder / "finder.onnx",
        nodes,
        [info("pixels", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [info("found", TensorProto.FLOAT, ["n", *rows.shape])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )


def lookup(folder: Path, table: NDArray[Any]) -> Path:
    """y = table[x], any number of rows; an index that the table does not have is refused."""
    node = helper.make_node("Gather", ["table", "x"], ["y"])
    inputs = [info("x", TensorProto.INT64, ["n", 1])]
    outputs = [info("y", TensorProto.FLOAT, ["n", 1])]
    return save(folder / "lookup.onnx", [node], inputs, outputs, [numpy_helper.from_array(table, "table")])


def centred(folder: Path) -> Path:
    """y = x - mean over all rows: what one row gets depends on the others."""
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["x", "mean"], ["y"]),
    ]
    return save(
        folder / "centred.onnx",
        nodes,
        [info("x", TensorProto.FLOAT, ["n", 4])],
        [info("y", TensorProto.FLOAT, ["n", 4])],
    )


def summed(folder: Path) -> Path:
    """y = the sum of all rows: one row out, however many come in."""
    node = helper.make_node("ReduceSum", ["x", "axes"], ["y"], keepdims=1)
    axes = numpy_helper.from_array(np.array([0], np.int64), "axes")
    inputs, outputs = [info("x", TensorProto.FLOAT, ["n", 4])], [info("y", TensorProto.FLOAT, ["m", 4])]
    return save(folder / "summed.onnx", [node], inputs, outputs, [axes])


def dense(folder: Path, width: int = 2048, layers: int = 4) -> Path:
    """Layers so wide that reading their weights is what takes the time: many rows take little longer than one."""
    random = np.random.default_rng(7)
    weights = {f"w{layer}": random.standard_normal((width, width), np.float32) / width for layer in range(layers)}
    nodes = [helper.make_node("MatMul", [f"h{layer}", f"w{layer}"], [f"h{layer + 1}"]) for layer in range(layers)]
    nodes = [helper.make_node("Identity", ["x"], ["h0"]), *nodes, helper.make_node("Identity", [f"h{layers}"], ["y"])]
    return save(
        folder / "dense.onnx",
        nodes,
        [info("x", TensorProto.FLOAT, ["n", width])],
        [info("y", TensorProto.FLOAT, ["n", width])],
        [numpy_helper.from_array(weight, name) for name, weight in weights.items()],
    )
