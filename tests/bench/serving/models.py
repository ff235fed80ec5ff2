"""The models that all contestants serve, made from fixed random numbers: every machine gets the same bytes.

Weights do not matter to a clock, shapes do: an MLP as small as sensors use, a MobileNetV1 for pictures (602,112 bytes).
"""

import hashlib
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tests.cluster.paths import cache

SEED = 20261121
PICTURE = (1, 3, 224, 224)
_BLOCKS = (  # (channels out, stride) of MobileNetV1's depthwise separable convolutions, Howard et al. 2017, table 1
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    (512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip


@dataclass(frozen=True)
class Model:
    """A file to serve, and one input for it."""

    path: Path
    input: str
    shape: tuple[int, ...]
    output: str
    output_shape: tuple[int, ...]
    datatype: str = "FP32"

    @property
    def name(self) -> str:
        """What `edgewise-runtime serve` calls it."""
        return self.path.stem

    def sample(self) -> NDArray[np.float32]:
        return np.random.default_rng(SEED).standard_normal(self.shape, dtype=np.float32)


def mlp() -> Model:
    """784-256-10, any number of rows: about 12 us a row."""
    return Model(_kept("mlp", lambda: _dense((784, 256, 10))), "x", (1, 784), "logits", (1, 10))


def five_megabytes() -> Model:
    """784-1024-512-10: 5.3 MB, for start-up."""
    return Model(_kept("mlp5", lambda: _dense((784, 1024, 512, 10))), "x", (1, 784), "logits", (1, 10))


def cnn() -> Model:
    """MobileNetV1: 17 MB, 602,112 bytes in, at least 5 ms on one core."""
    return Model(_kept("cnn", _mobilenet), "x", PICTURE, "logits", (1, 1000))


def average() -> Model:
    """The mean of each colour of a picture: what is left is the cost of moving 602,112 bytes."""
    return Model(_kept("average", _average), "x", PICTURE, "mean", (1, 3, 1, 1))


def slow() -> Model:
    """Multiplies a 256 x 256 matrix as often as its input says: a request chooses how long it takes."""
    return Model(_kept("slow", _loop), "rounds", (1,), "done", (1,), "INT64")


class _Graph:
    """Nodes and weights of a chain of layers; `last` is the tensor that the next one continues from."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.last = "x"
        self._random = np.random.default_rng(SEED)

    def add(self, kind: str, output: str, *shapes: tuple[int, ...], **attributes: Any) -> None:
        """A node that continues the chain; one weight for each of `shapes`, scaled so that values stay moderate."""
        names = [f"{output}_{index}" for index in range(len(shapes))]
        for name, shape in zip(names, shapes, strict=True):
            fan = math.prod(shape[1:]) if len(shape) > 1 else 1
            values = self._random.standard_normal(shape, dtype=np.float32) / np.float32(math.sqrt(fan))
            self.weights.append(numpy_helper.from_array(values, name))
        self.nodes.append(helper.make_node(kind, [self.last, *names], [output], **attributes))
        self.last = output

    def model(self, shape: tuple[int | str, ...], output: str, output_shape: tuple[int | str, ...]) -> onnx.ModelProto:
        inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
        outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, output_shape)]
        return _model(helper.make_graph(self.nodes, "bench", inputs, outputs, self.weights))


def _dense(widths: tuple[int, ...]) -> onnx.ModelProto:
    graph = _Graph()
    for index, (wide, narrow) in enumerate(itertools.pairwise(widths)):
        last = index == len(widths) - 2
        graph.add("Gemm", "logits" if last else f"dense{index}", (narrow, wide), (narrow,), transB=1)
        if not last:
            graph.add("Relu", f"relu{index}")
    return graph.model(("n", widths[0]), "logits", ("n", widths[-1]))


def _mobilenet() -> onnx.ModelProto:
    graph = _Graph()
    graph.add("Conv", "stem", (32, 3, 3, 3), (32,), strides=[2, 2], pads=[1] * 4)
    graph.add("Relu", "stem_relu")
    wide = 32
    for index, (channels, stride) in enumerate(_BLOCKS):
        graph.add("Conv", f"d{index}", (wide, 1, 3, 3), (wide,), strides=[stride] * 2, pads=[1] * 4, group=wide)
        graph.add("Relu", f"d{index}_relu")
        graph.add("Conv", f"p{index}", (channels, wide, 1, 1), (channels,))
        graph.add("Relu", f"p{index}_relu")
        wide = channels
    graph.add("GlobalAveragePool", "pool")
    graph.add("Flatten", "flat")
    graph.add("Gemm", "logits", (1000, wide), (1000,), transB=1)
    return graph.model(PICTURE, "logits", (1, 1000))


def _average() -> onnx.ModelProto:
    graph = _Graph()
    graph.add("GlobalAveragePool", "mean")
    return graph.model(PICTURE, "mean", (1, 3, 1, 1))


def _loop() -> onnx.ModelProto:
    def info(name: str, kind: int, *shape: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, shape)

    real, whole, truth = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["m_in", "m_in"], ["m_out"]),
            helper.make_node("Identity", ["go_in"], ["go_out"]),
            helper.make_node("Add", ["n_in", "one"], ["n_out"]),
        ],
        "body",
        [info("i", whole), info("go_in", truth), info("m_in", real, 256, 256), info("n_in", whole, 1)],
        [info("go_out", truth), info("m_out", real, 256, 256), info("n_out", whole, 1)],
    )
    nodes = [
        helper.make_node("Squeeze", ["rounds"], ["trips"]),
        helper.make_node("Loop", ["trips", "go", "m", "zero"], ["last", "done"], body=body),
    ]
    constants = {"m": np.eye(256, dtype=np.float32), "go": np.array(True), "zero": np.zeros(1, np.int64)}
    constants["one"] = np.ones(1, np.int64)
    weights = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    return _model(helper.make_graph(nodes, "bench", [info("rounds", whole, 1)], [info("done", whole, 1)], weights))


def _model(graph: onnx.GraphProto) -> onnx.ModelProto:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def _kept(name: str, make: Callable[[], onnx.ModelProto]) -> Path:
    """The file, made when it is not in the cache yet; another version of this module has other files."""
    version = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    path = cache() / "bench" / f"models-{version}" / f"{name}.onnx"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        onnx.save(make(), partial)
        partial.rename(path)
    return path
