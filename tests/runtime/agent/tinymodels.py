"""Real ONNX models of a few hundred bytes: y = factor * x, so that an answer says which version gave it."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper


def scaling(factor: float, shape: tuple[int | str, ...] = ("batch", 4), padding: int = 0) -> bytes:
    """A model file; `padding` bytes of metadata make it as large as a test needs."""
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "factor"], ["y"])],
        "scaling",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [helper.make_tensor("factor", TensorProto.FLOAT, [1], [factor])],
        doc_string="p" * padding,
    )
    return _file(graph)


def picking(column: int, shape: tuple[int | str, ...]) -> bytes:
    """y = x[:, column]: loads always, and runs only on tensors that are wide enough."""
    graph = helper.make_graph(
        [helper.make_node("Gather", ["x", "column"], ["y"], axis=1)],
        "picking",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [shape[0], 1])],
        [helper.make_tensor("column", TensorProto.INT64, [1], [column])],
    )
    return _file(graph)


def brittle() -> bytes:
    """y = x for zeros: loads and warms up well, and fails on whatever clients send."""
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
        helper.make_node("Cast", ["sum"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Add", ["whole", "four"], ["width"]),
        helper.make_node("Concat", ["any", "width"], ["wrong"], axis=0),
        helper.make_node("Reshape", ["x", "wrong"], ["bent"]),
        helper.make_node("Reshape", ["bent", "right"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "brittle",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("batch", 4))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("batch", 4))],
        [
            helper.make_tensor("four", TensorProto.INT64, [1], [4]),
            helper.make_tensor("any", TensorProto.INT64, [1], [-1]),
            helper.make_tensor("right", TensorProto.INT64, [2], [-1, 4]),
        ],
    )
    return _file(graph)


def _file(graph: onnx.GraphProto) -> bytes:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


ONE, TWO, THREE = scaling(1), scaling(2), scaling(3)
"""They answer a 1 with their number."""
