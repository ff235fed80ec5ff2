"""Writes a trained network as ONNX, and quantises such a file to int8. Used by train.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from examples.models.digits.network import Array, Layer, Network

OPSET, IR_VERSION = 17, 8
"""Old enough for the runtimes on JetPack 6 and for OpenVINO, new enough for per-channel QDQ."""


def write_onnx(network: Network, path: Path, name: str, version: str) -> None:
    """`image` FP32 [-1,1,28,28] in 0..1 to `logits` FP32 [-1,10]."""
    nodes, weights, value, channels = [], [], "image", 1
    for index, layer in enumerate(network.layers):
        weights += _weights(layer, index, channels)
        shape, channels = layer.shape, layer.shape.channels
        inputs, value = [value, f"weight{index}", f"bias{index}"], f"conv{index}"
        node = helper.make_node("Conv", inputs, [value], value)
        attributes = {"kernel_shape": [shape.kernel] * 2, "strides": [shape.stride] * 2, "pads": [shape.pad] * 4}
        node.attribute.extend(helper.make_attribute(key, numbers) for key, numbers in attributes.items())
        nodes.append(node)
        if layer.relu:
            nodes.append(helper.make_node("Relu", [value], [f"relu{index}"], f"relu{index}"))
            value = f"relu{index}"
    nodes.append(helper.make_node("Flatten", [value], ["logits"], "flatten", axis=1))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 28, 28])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10])
    graph = helper.make_graph(nodes, name, [image], [logits], weights)
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, producer_name="edgewise", opset_imports=opset, ir_version=IR_VERSION)
    helper.set_model_props(model, {"version": version})
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _weights(layer: Layer, index: int, channels_in: int) -> list[TensorProto]:
    """From rows of (row, column, channel) to ONNX's [out, in, row, column]."""
    kernel = layer.shape.kernel
    filters = layer.weight.reshape(kernel, kernel, channels_in, -1).transpose(3, 2, 0, 1)
    weight = numpy_helper.from_array(np.ascontiguousarray(filters), f"weight{index}")
    return [weight, numpy_helper.from_array(layer.bias, f"bias{index}")]


class _Images(CalibrationDataReader):  # type: ignore[misc]
    """Hands the calibration images to the quantiser, a hundred at a time."""

    def __init__(self, images: Array) -> None:
        self.batches: Iterator[Array] = iter(np.split(images, len(images) // 100))

    def get_next(self) -> dict[str, Array] | None:
        batch = next(self.batches, None)
        return None if batch is None else {"image": batch}


def write_int8(source: Path, path: Path, calibration: Array) -> None:
    """Static int8 (QDQ, signed, per channel), ranges seen on `calibration` [N,1,28,28] with N a multiple of 100."""
    quantize_static(
        str(source),
        str(path),
        _Images(calibration),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
    )
