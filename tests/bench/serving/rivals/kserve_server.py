"""KServe's Python server around one ONNX file; run by the interpreter of its own environment."""

import argparse
from typing import Any

import kserve
import onnxruntime
from kserve import InferOutput, InferRequest, InferResponse, ModelServer, model_server

_DATATYPES = {"float32": "FP32", "int64": "INT64"}


class Onnx(kserve.Model):
    def __init__(self, name: str, path: str) -> None:
        super().__init__(name)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._output = self._session.get_outputs()[0].name
        self.ready = True

    def predict(self, payload: InferRequest, headers: dict[str, str] | None = None) -> InferResponse:
        (given,) = payload.inputs
        (result,) = self._session.run([self._output], {given.name: given.as_numpy()})
        output = InferOutput(self._output, list(result.shape), _DATATYPES[str(result.dtype)])
        output.set_data_from_numpy(result, binary_data=_wants_binary(payload))
        return InferResponse(response_id=payload.id, model_name=self.name, infer_outputs=[output])


def _wants_binary(payload: InferRequest) -> bool:
    outputs: list[Any] = payload.request_outputs or []
    return any(output.binary_data for output in outputs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(parents=[model_server.parser])
    parser.add_argument("path")
    arguments, _ = parser.parse_known_args()
    ModelServer().start([Onnx(arguments.model_name, arguments.path)])
