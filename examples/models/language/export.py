"""Writes a classifier of texts as ONNX: the hashing is in the graph, so a client sends nothing but bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from examples.models.digits.export import IR_VERSION, OPSET
from examples.models.digits.network import Array
from examples.models.language.data import LANGUAGES, WIDTH
from examples.models.language.ngrams import BASE, Classifier, Grams


class _Graph:
    """Nodes and constants as they are added; a node has the name of its only output."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def node(self, kind: str, name: str, *inputs: str, to: int | None = None, keepdims: int | None = None) -> str:
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name, to=to, keepdims=keepdims))
        return name

    def constant(self, name: str, value: Array) -> str:
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def numbers(self, name: str, *values: int) -> str:
        return self.constant(name, np.array(values, np.int64))


def write_onnx(classifier: Classifier, path: Path, name: str, version: str) -> None:
    """`text` UINT8 [-1, WIDTH] to `logits` FP32 [-1, languages]."""
    graph = _Graph()
    graph.node("Cast", "bytes", "text", to=TensorProto.INT64)
    graph.numbers("base", BASE)
    graph.numbers("none", 0)
    graph.numbers("one", 1)
    weights, counts = [], []
    for grams, table in zip(classifier.grams, classifier.tables, strict=True):
        weight, count = _grams(graph, grams, table)
        weights.append(weight)
        counts.append(count)
    total = graph.node("Sum", "total", *counts)
    least = graph.constant("least", np.ones(1, np.float32))
    root = graph.node("Sqrt", "root", graph.node("Max", "count", total, least))
    scaled = graph.node("Div", "scaled", graph.node("Sum", "weight", *weights), root)
    graph.node("Add", "logits", scaled, graph.constant("bias", classifier.bias))
    text = helper.make_tensor_value_info("text", TensorProto.UINT8, ["batch", WIDTH])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(LANGUAGES)])
    made = helper.make_graph(graph.nodes, name, [text], [logits], graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    helper.set_model_props(model, {"version": version, "labels": ",".join(LANGUAGES)})
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _grams(graph: _Graph, grams: Grams, table: Array) -> tuple[str, str]:
    """Sum of the weights of all runs of one length, [N, languages], and how many there are, [N, 1]."""
    prefix, places = f"gram{grams.length}_", WIDTH - grams.length + 1
    hashed = ""
    for offset in range(grams.length):
        ends = [graph.numbers(f"{prefix}{end}{offset}", at) for end, at in (("from", offset), ("to", offset + places))]
        last = graph.node("Slice", f"{prefix}byte{offset}", "bytes", *ends, "one")
        if hashed:
            shifted = graph.node("Mul", f"{prefix}shifted{offset}", hashed, "base")
            hashed = graph.node("Add", f"{prefix}hash{offset}", shifted, last)
        else:
            hashed = last
    bucket = graph.node("Mod", f"{prefix}bucket", hashed, graph.numbers(f"{prefix}buckets", grams.buckets))
    inside = graph.node("Greater", f"{prefix}inside", last, "none")
    row = graph.node("Where", f"{prefix}row", inside, graph.node("Add", f"{prefix}next", bucket, "one"), "none")
    found = graph.node("Gather", f"{prefix}found", graph.constant(f"{prefix}table", table), row)
    weight = graph.node("ReduceSum", f"{prefix}weight", found, "one", keepdims=0)
    present = graph.node("Cast", f"{prefix}present", inside, to=TensorProto.FLOAT)
    return weight, graph.node("ReduceSum", f"{prefix}count", present, "one", keepdims=1)
