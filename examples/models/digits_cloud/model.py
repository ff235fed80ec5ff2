"""Runs model.onnx in Triton's Python backend, for Triton builds without an ONNX Runtime backend of their own.

Triton loads it as <repository>/digits/1/model.py. Where there is that backend (as in NVIDIA's image), leave this file
out and say `backend: "onnxruntime"` in config.pbtxt.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

# The backend embeds an interpreter that ignores PYTHONPATH; without this it does not see the image's packages.
sys.path[:0] = [path for path in os.environ.get("PYTHONPATH", "").split(":") if path]
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import numpy as np  # noqa: E402
import onnxruntime as ort  # noqa: E402
import triton_python_backend_utils as triton  # type: ignore[import-not-found]  # noqa: E402


class TritonPythonModel:
    """`image` [N,1,28,28] to `logits` [N,10]; requests that arrive together run together."""

    def initialize(self, args: dict[str, str]) -> None:
        """Loads model.onnx from this version's folder, for one thread."""
        path = Path(args["model_repository"]) / args["model_version"] / "model.onnx"
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """One response for each request, in order."""
        images = [triton.get_input_tensor_by_name(request, "image").as_numpy() for request in requests]
        logits = self.session.run(["logits"], {"image": np.concatenate(images)})[0]
        ends = np.cumsum([len(image) for image in images])[:-1]
        return [
            triton.InferenceResponse(output_tensors=[triton.Tensor("logits", np.ascontiguousarray(part))])
            for part in np.split(logits, ends)
        ]
