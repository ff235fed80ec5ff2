"""Loads a model with the engine its profile asks for. Called by the agent and by `serve`, in a thread."""

from __future__ import annotations

from pathlib import Path

from edgewise.api.names import Reason
from edgewise_runtime.engines.base import EngineOptions, ModelLoadError, Session

_IMAGES = {"LiteRT": "coral", "OpenVINO": "openvino"}


def load(path: Path, format: str, options: EngineOptions) -> Session:  # noqa: A002  the API's word
    """Blocking. ModelLoadError says why the model cannot be served here, and what to change."""
    if options.engine != "ONNXRuntime":
        image = _IMAGES.get(options.engine, "")
        where = f": it comes with the {image} image of a later version" if image else ""
        raise ModelLoadError(
            Reason.NOT_SUPPORTED, f"this version has no {options.engine} engine{where}; use ONNXRuntime"
        )
    if format != "ONNX":
        raise ModelLoadError(
            Reason.NOT_SUPPORTED,
            f"ONNXRuntime loads ONNX, not {format}: add an ONNX variant, or change the profile's engine",
        )
    from edgewise_runtime.engines.onnx import OnnxSession

    return OnnxSession(path, options)
