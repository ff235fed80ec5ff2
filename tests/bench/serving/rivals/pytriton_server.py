"""PyTriton around one ONNX file; run by the interpreter of its own environment."""

import sys
from typing import Any

import numpy as np
import onnxruntime
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig


def main(path: str, name: str, http: str, grpc: str, metrics: str) -> None:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (given,), (wanted,) = session.get_inputs(), session.get_outputs()

    def infer(requests: list[Any]) -> list[dict[str, Any]]:
        return [
            {wanted.name: session.run([wanted.name], {given.name: request.data[given.name]})[0]} for request in requests
        ]

    config = TritonConfig(http_port=int(http), grpc_port=int(grpc), metrics_port=int(metrics), log_verbose=0)
    with Triton(config=config) as triton:
        triton.bind(
            model_name=name,
            infer_func=infer,
            inputs=[_described(given)],
            outputs=[_described(wanted)],
            config=ModelConfig(batching=False),
        )
        triton.serve()


def _described(node: Any) -> Tensor:
    shape = tuple(size if isinstance(size, int) else -1 for size in node.shape)
    return Tensor(name=node.name, dtype=np.float32, shape=shape)


if __name__ == "__main__":
    main(*sys.argv[1:])
