"""Triton backend `onnxruntime`: runs `<repository>/<model>/<version>/model.onnx` on the CPU.

A stand-in for Triton's own backend of that name, through its Python backend: a model's configuration needs no more than
`backend: "onnxruntime"`; inputs and outputs are completed from the ONNX file.
"""

import os
import sys
from pathlib import Path
from typing import Any

# The interpreter in Triton's stub is isolated and does not read the variable itself.
sys.path[:0] = os.environ["PYTHONPATH"].split(":")

import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402
import triton_python_backend_utils as triton  # type: ignore[import-not-found]  # noqa: E402

_TYPES = {
    "tensor(bool)": "TYPE_BOOL",
    "tensor(double)": "TYPE_FP64",
    "tensor(float)": "TYPE_FP32",
    "tensor(float16)": "TYPE_FP16",
    "tensor(int8)": "TYPE_INT8",
    "tensor(int32)": "TYPE_INT32",
    "tensor(int64)": "TYPE_INT64",
    "tensor(uint8)": "TYPE_UINT8",
}


class TritonPythonModel:
    """What Triton's Python backend calls."""

    @staticmethod
    def auto_complete_config(config: Any) -> Any:
        """Adds the inputs and outputs of the ONNX file, batch dimension included."""
        session = _session()
        config.set_max_batch_size(0)
        for tensor in session.get_inputs():
            config.add_input(_described(tensor))
        for tensor in session.get_outputs():
            config.add_output(_described(tensor))
        return config

    def initialize(self, args: dict[str, str]) -> None:
        """Loads the model."""
        self._onnx = _session()
        self._outputs = [output.name for output in self._onnx.get_outputs()]

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answers each request, with an error of its own where it does not fit the model."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        inputs = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
        wanted = [name for name in self._outputs if name in request.requested_output_names()]
        try:
            results = self._onnx.run(wanted, inputs)
        except Exception as error:  # noqa: BLE001  ONNX Runtime's errors have no common class of their own
            return triton.InferenceResponse(error=triton.TritonError(str(error), triton.TritonError.INVALID_ARG))
        named = zip(wanted, results, strict=True)
        return triton.InferenceResponse([triton.Tensor(name, np.ascontiguousarray(value)) for name, value in named])


def _session() -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    file = Path(triton.get_model_dir(), "model.onnx")
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def _described(tensor: Any) -> dict[str, object]:
    """Triton's words for an input or output of an ONNX model; a dimension without a number may be anything."""
    dims = [size if isinstance(size, int) else -1 for size in tensor.shape]
    return {"name": tensor.name, "data_type": _TYPES[tensor.type], "dims": dims}
