"""Real TFLite models of a few hundred bytes, written with LiteRT's own schema; no converter, no TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

TYPES = {
    "BOOL": schema.TensorType.BOOL, "UINT8": schema.TensorType.UINT8, "INT8": schema.TensorType.INT8,
    "INT16": schema.TensorType.INT16, "INT32": schema.TensorType.INT32, "INT64": schema.TensorType.INT64,
    "FP16": schema.TensorType.FLOAT16, "FP32": schema.TensorType.FLOAT32, "FP64": schema.TensorType.FLOAT64,
    "UINT16": schema.TensorType.UINT16, "UINT32": schema.TensorType.UINT32, "UINT64": schema.TensorType.UINT64,
    "BYTES": schema.TensorType.STRING, "RESOURCE": schema.TensorType.RESOURCE,
}  # fmt: skip
_OPERATORS = schema.BuiltinOperator
_OPTIONS = schema.BuiltinOptions


@dataclass
class Graph:
    """A model in the making: tensors and operations are added, and named by their numbers."""

    graphs: list[Any] = field(default_factory=lambda: [_subgraph()])
    codes: list[int | str] = field(default_factory=list)
    buffers: list[Any] = field(default_factory=lambda: [schema.BufferT()])

    def tensor(
        self,
        name: str,
        datatype: str,
        shape: list[int],
        value: NDArray[Any] | None = None,
        quantized: tuple[float, int] | None = None,
        graph: int = 0,
    ) -> int:
        """`shape`: -1 for any size. `quantized`: scale and zero point."""
        tensor = schema.TensorT()
        tensor.name, tensor.type, tensor.hasRank = name.encode(), TYPES[datatype], True
        tensor.shape = [max(1, size) for size in shape]
        tensor.shapeSignature = shape if -1 in shape else None
        if quantized:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [quantized[0]], [quantized[1]]
        if value is not None:
            tensor.buffer = len(self.buffers)
            self.buffers.append(schema.BufferT())
            self.buffers[-1].data = np.frombuffer(value.tobytes(), np.uint8)
        self.graphs[graph].tensors.append(tensor)
        return len(self.graphs[graph].tensors) - 1

    def operation(self, name: str, inputs: list[int], outputs: list[int], graph: int = 0, **options: Any) -> None:
        """Such as "ADD"; options as the schema names them."""
        code = getattr(_OPERATORS, name)
        if code not in self.codes:
            self.codes.append(code)
        operation = schema.OperatorT()
        operation.opcodeIndex, operation.inputs, operation.outputs = self.codes.index(code), inputs, outputs
        kind = "".join(part.capitalize() for part in name.split("_")) + "Options"
        if hasattr(_OPTIONS, kind):
            operation.builtinOptionsType = getattr(_OPTIONS, kind)
            operation.builtinOptions = getattr(schema, f"{kind}T")()
            for option, value in options.items():
                setattr(operation.builtinOptions, option, value)
        self.graphs[graph].operators.append(operation)

    def custom_operation(self, name: str, inputs: list[int], outputs: list[int]) -> None:
        """One that LiteRT itself does not know."""
        self.codes.append(name)
        operation = schema.OperatorT()
        operation.opcodeIndex, operation.inputs, operation.outputs = len(self.codes) - 1, inputs, outputs
        self.graphs[0].operators.append(operation)

    def save(self, path: Path, inputs: list[int], outputs: list[int], signature: dict[str, int] | None = None) -> Path:
        """`signature`: public names of inputs and outputs -> tensors."""
        model = schema.ModelT()
        model.version, model.subgraphs, model.buffers = 3, self.graphs, self.buffers
        model.operatorCodes = [_code(code) for code in self.codes]
        self.graphs[0].inputs, self.graphs[0].outputs = inputs, outputs
        if signature:
            model.signatureDefs = [_signature(signature, inputs, outputs)]
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        path.write_bytes(builder.Output())
        return path


def add(folder: Path, datatype: str, shape: list[int], signature: dict[str, int] | None = None) -> Path:
    """y = x + x."""
    graph = Graph()
    x, y = graph.tensor("x", datatype, shape), graph.tensor("y", datatype, shape)
    graph.operation("ADD", [x, x], [y])
    return graph.save(folder / f"add-{datatype}.tflite", [x], [y], signature)


def sums(folder: Path) -> Path:
    """twice = x + x, thrice = twice + x, any number of rows of 4."""
    graph = Graph()
    x, twice, thrice = (graph.tensor(name, "FP32", [-1, 4]) for name in ("x", "twice", "thrice"))
    graph.operation("ADD", [x, x], [twice])
    graph.operation("ADD", [twice, x], [thrice])
    return graph.save(folder / "sums.tflite", [x], [twice, thrice])


def echo(folder: Path, datatype: str) -> Path:
    """y = x, of two."""
    graph = Graph()
    x, y = graph.tensor("x", datatype, [2]), graph.tensor("y", datatype, [2])
    if datatype == "BYTES":
        order = graph.tensor("order", "INT32", [2], np.array([0, 1], np.int32))
        graph.operation("GATHER", [x, order], [y])
    else:
        graph.operation("RESHAPE", [x], [y], newShape=[2])
    return graph.save(folder / f"echo-{datatype}.tflite", [x], [y])


def compiled(folder: Path) -> Path:
    """As the Edge TPU's compiler leaves a model: one operation that LiteRT does not know."""
    graph = Graph()
    x, y = graph.tensor("x", "FP32", [1, 4]), graph.tensor("y", "FP32", [1, 4])
    graph.custom_operation("edgetpu-custom-op", [x], [y])
    return graph.save(folder / "compiled.tflite", [x], [y])


def pick(folder: Path) -> Path:
    """y = [10, 20][x]: fails where x is out of range."""
    graph = Graph()
    values = graph.tensor("values", "FP32", [2], np.array([10, 20], np.float32))
    x, y = graph.tensor("x", "INT32", [1]), graph.tensor("y", "FP32", [1])
    graph.operation("GATHER", [values, x], [y])
    return graph.save(folder / "pick.tflite", [x], [y])


def quantized(folder: Path) -> Path:
    """y = x + x in INT8: x counts halves from 10 on, y whole numbers."""
    graph = Graph()
    x = graph.tensor("x", "INT8", [1, 4], quantized=(0.5, 10))
    y = graph.tensor("y", "INT8", [1, 4], quantized=(1.0, 0))
    graph.operation("ADD", [x, x], [y])
    return graph.save(folder / "quantized.tflite", [x], [y])


def counting(folder: Path) -> Path:
    """total += x; y = total: a model that remembers."""
    graph = Graph()
    x, y = graph.tensor("x", "FP32", [1]), graph.tensor("y", "FP32", [1])
    handle, total = graph.tensor("handle", "RESOURCE", []), graph.tensor("total", "FP32", [1])
    graph.graphs.append(_subgraph())
    zero = graph.tensor("zero", "FP32", [1], np.zeros(1, np.float32), graph=1)
    begun = graph.tensor("handle", "RESOURCE", [], graph=1)
    graph.operation("VAR_HANDLE", [], [begun], graph=1, container=b"", sharedName=b"total")
    graph.operation("ASSIGN_VARIABLE", [begun, zero], [], graph=1)
    graph.operation("CALL_ONCE", [], [], initSubgraphIndex=1)
    graph.operation("VAR_HANDLE", [], [handle], container=b"", sharedName=b"total")
    graph.operation("READ_VARIABLE", [handle], [total])
    graph.operation("ADD", [total, x], [y])
    graph.operation("ASSIGN_VARIABLE", [handle, y], [])
    return graph.save(folder / "counting.tflite", [x], [y])


def _subgraph() -> Any:
    graph = schema.SubGraphT()
    graph.tensors, graph.operators, graph.inputs, graph.outputs = [], [], [], []
    return graph


def _code(what: int | str) -> Any:
    code = schema.OperatorCodeT()
    number = what if isinstance(what, int) else _OPERATORS.CUSTOM
    code.customCode = what.encode() if isinstance(what, str) else None
    code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), 1
    return code


def _signature(names: dict[str, int], inputs: list[int], outputs: list[int]) -> Any:
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = b"serving_default", 0
    signature.inputs = [_named(name, number) for name, number in names.items() if number in inputs]
    signature.outputs = [_named(name, number) for name, number in names.items() if number in outputs]
    return signature


def _named(name: str, number: int) -> Any:
    tensor = schema.TensorMapT()
    tensor.name, tensor.tensorIndex = name.encode(), number
    return tensor
