"""Loads a model with the engine its profile asks for. Called by the agent and by `serve`, in a thread."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Protocol

from edgewise.api.names import Reason
from edgewise_runtime.engines.base import EngineOptions, ModelLoadError, Session, on_cpu
from edgewise_runtime.engines.foreign import refuse_foreign
from edgewise_runtime.engines.standby import Patience, Standby
from edgewise_runtime.engines.traceless import traceless

log = logging.getLogger(__name__)

# engine -> (formats, module, class, image that has it); imported when first needed: each is tens of MiB of memory
_ENGINES: Mapping[str, tuple[frozenset[str], str, str, str]] = {
    "ONNXRuntime": (frozenset({"ONNX"}), "onnx", "OnnxSession", "cpu"),
    "LiteRT": (frozenset({"TFLite", "EdgeTPU"}), "litert", "LiteRTSession", "coral"),
    "OpenVINO": (frozenset({"OpenVINOIR", "ONNX"}), "openvino", "OpenVINOSession", "openvino"),
}

_EVERYWHERE = "ONNXRuntime"  # every image has it
_BY_SUFFIX = {".tflite": ("TFLite", "LiteRT"), ".zip": ("OpenVINOIR", "OpenVINO")}
NAMES = tuple(_ENGINES)
_Kind = Callable[[Path, EngineOptions], Session]


class Hidden(Protocol):
    """A model that no disk has as engines read it: sealed/, for one."""

    def opened(self, open_: Callable[[Path], Session]) -> Session:
        """What `open_` makes of a path that is good for a while. ModelLoadError."""


def guess(path: Path) -> tuple[str, str]:
    """Format and usual engine of a file, by its name."""
    return _BY_SUFFIX.get(path.suffix, ("ONNX", _EVERYWHERE))


def load(
    model: Path | Hidden,
    format: str,  # noqa: A002  the API's word
    options: EngineOptions,
    changed: Callable[[], None] = lambda: None,
) -> Session:
    """Blocking. ModelLoadError says why the model cannot be served here, and what to change.

    `changed` is called, from any thread, when the session has lost its accelerator or has it back."""
    open_ = partial(_open, model, format)
    session = open_(options)
    return session if on_cpu(session.provider) else Standby(session, open_, options, changed, Patience())


def _open(model: Path | Hidden, format: str, options: EngineOptions) -> Session:  # noqa: A002
    formats, module, name, image = _ENGINES[options.engine]
    if format not in formats:
        loads = " and ".join(sorted(formats))
        raise ModelLoadError(
            Reason.NOT_SUPPORTED,
            f"{options.engine} loads {loads}, not {format}: add such a variant, or change the profile's engine",
        )
    try:
        engine = import_module(f"edgewise_runtime.engines.{module}")
    except ImportError as error:
        if format == "ONNX" and options.engine != _EVERYWHERE and not options.require_accelerator:
            log.warning("this image has no %s: %s serves the model on the CPU", options.engine, _EVERYWHERE)
            return _open(model, format, EngineOptions(_EVERYWHERE, threads=options.threads))
        raise ModelLoadError(
            Reason.NOT_SUPPORTED, f"this image has no {options.engine} ({error}); it comes with the {image} image"
        ) from error
    kind: _Kind = getattr(engine, name)
    if isinstance(model, Path):
        return _parsed(kind, model, format, options)
    return model.opened(lambda path: _parsed(kind, path, format, traceless(options)))


def _parsed(kind: _Kind, path: Path, format: str, options: EngineOptions) -> Session:  # noqa: A002
    refuse_foreign(path, format)
    return kind(path, options)
