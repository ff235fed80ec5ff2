"""ONNX Runtime, set up for small devices: no telemetry, no spinning threads, memory that does not grow in jumps."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.api.names import Reason
from edgewise_runtime.engines.base import (
    Array,
    EngineOptions,
    InputRefusedError,
    ModelLoadError,
    TensorSpec,
    first_line,
)
from edgewise_runtime.engines.cores import usable_cores
from edgewise_runtime.engines.extensions import library_for
from edgewise_runtime.engines.onnx_file import refuse_external_data
from edgewise_runtime.engines.traits import Traits

# disable_telemetry_events() does not stop ONNX Runtime from calling home; this does, if it is set before the import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from edgewise_runtime.engines import memory, onnx_arena, onnx_bf16, onnx_providers

log = logging.getLogger(__name__)

_FATAL = 4  # every error is raised as well, and would be logged twice
_ARENA_IS_FULL = "smaller than requested bytes"
_DATATYPES = {
    "bool": "BOOL", "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64", "int8": "INT8",
    "int16": "INT16", "int32": "INT32", "int64": "INT64", "float16": "FP16", "float": "FP32", "double": "FP64",
    "string": "BYTES", "bfloat16": "BF16",
}  # fmt: skip

_Compute = Callable[[list[str], dict[str, Array], Any], list[Array]]

onnx_arena.share()


class OnnxSession:
    """An ONNX model. `provider` is the first execution provider that got nodes of its graph, whatever was asked for."""

    platform = "onnx_onnxv1"
    lost = ""

    def __init__(self, path: Path, options: EngineOptions) -> None:
        """Blocking. ModelLoadError where the model cannot be loaded, or not on the accelerator it must have."""
        refuse_external_data(path)
        self._session = _open(path, options)
        self.provider = onnx_providers.provider_of(self._session)
        _check_accelerator(self.provider, options)
        self.inputs = _specs(self._session.get_inputs())
        self.outputs = _specs(self._session.get_outputs())
        if len(self.inputs) < len(self._session.get_inputs()) or not self.outputs:
            raise ModelLoadError(
                Reason.LOAD_FAILED, "the model has inputs or outputs that are no tensors of the protocol"
            )
        self.traits = Traits(metadata=self._session.get_modelmeta().custom_metadata_map)
        self._text_inputs = {spec.name for spec in self.inputs if spec.datatype == "BYTES"}
        self._text_outputs = any(spec.datatype == "BYTES" for spec in self.outputs)
        self._sizes = onnx_arena.Sizes() if any(-1 in spec.shape for spec in self.inputs) else None
        narrow = any(spec.datatype == "BF16" for spec in (*self.inputs, *self.outputs))
        self._compute: _Compute = partial(onnx_bf16.run, self._session) if narrow else self._session.run
        memory.held_by(self)

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        if self._text_inputs:
            feeds = {
                name: _decoded(name, array) if name in self._text_inputs else array for name, array in feeds.items()
            }
        try:
            results = self._run(feeds, outputs)
        except ort_errors.InvalidArgument as error:
            raise InputRefusedError(first_line(error)) from error
        return [_encoded(result) for result in results] if self._text_outputs else results

    def _run(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        options = self._sizes.options(feeds) if self._sizes else None
        try:
            return self._compute(list(outputs), dict(feeds), options)
        except (ort_errors.Fail, ort_errors.RuntimeException) as error:
            if _ARENA_IS_FULL not in str(error):
                raise
        onnx_arena.shrink()  # what is free may only be in too many pieces
        try:
            return self._compute(list(outputs), dict(feeds), onnx_arena.SHRINK)
        except (ort_errors.Fail, ort_errors.RuntimeException) as error:
            if _ARENA_IS_FULL not in str(error):
                raise
            raise InputRefusedError(
                "such an input takes more memory than this device has; send less at once"
            ) from error

    def release(self) -> None:
        """Gives back what the arena keeps for the next run."""
        onnx_arena.shrink()

    def close(self) -> None:
        del self._session, self._compute


def _open(path: Path, options: EngineOptions) -> Any:
    """On the wanted providers; where their device or driver is out of order, on the CPU, and `provider` tells."""
    providers = onnx_providers.providers(options, ort.get_available_providers())
    try:
        return _create(path, options, providers)
    except ModelLoadError:
        raise
    except Exception as error:
        if len(providers) == 1:
            raise ModelLoadError(Reason.LOAD_FAILED, f"ONNX Runtime {ort.__version__}: {first_line(error)}") from error
        log.warning("%s cannot run the model, trying the CPU: %s", providers[0][0], first_line(error))
    return _open(path, options.for_cpu())


def _create(path: Path, options: EngineOptions, providers: onnx_providers.Providers) -> Any:
    settings = _session_options(options)
    if library := library_for(path):
        settings.register_custom_ops_library(library)
    session = ort.InferenceSession(path, settings, providers=providers, enable_fallback=0)
    session.disable_fallback()
    return session


def _session_options(options: EngineOptions) -> Any:
    settings = ort.SessionOptions()
    settings.log_severity_level = _FATAL
    settings.inter_op_num_threads = 1
    settings.intra_op_num_threads = options.threads or usable_cores()
    entries = {
        "session.intra_op.allow_spinning": "0",
        "session.inter_op.allow_spinning": "0",
        "session.use_env_allocators": "1",
        "session.use_device_allocator_for_initializers": "1",
        "session.record_ep_graph_assignment_info": "1",
    }
    for key, value in (entries | onnx_providers.session_settings(options)).items():
        settings.add_session_config_entry(key, value)
    return settings


def _check_accelerator(provider: str, options: EngineOptions) -> None:
    if options.require_accelerator and not onnx_providers.is_accelerator(provider, options):
        wanted = ", ".join(onnx_providers.wanted(options)) or "none named in runtime.providers"
        raise ModelLoadError(
            Reason.ACCELERATOR_MISSING, f"the profile requires an accelerator ({wanted}), only the CPU is here"
        )


def _specs(nodes: Sequence[Any]) -> tuple[TensorSpec, ...]:
    """Tensors only: an output that is a sequence or a map (scikit-learn's ZipMap) is left out, and logged."""
    specs = []
    for node in nodes:
        datatype = _DATATYPES.get(node.type.removeprefix("tensor(").removesuffix(")"))
        if datatype is None:
            log.warning("%s is a %s, which the protocol cannot carry; it is not served", node.name, node.type)
            continue
        shape = tuple(size if isinstance(size, int) and size >= 0 else -1 for size in node.shape)
        specs.append(TensorSpec(node.name, datatype, shape))
    return tuple(specs)


def _decoded(name: str, array: Array) -> Array:
    """ONNX strings are text; the protocol's BYTES are any bytes."""
    try:
        texts = [item.decode() for item in array.ravel()]
    except UnicodeDecodeError as error:
        raise InputRefusedError(f"{name}: the model takes UTF-8 text ({error.reason})") from error
    return np.array(texts, dtype=object).reshape(array.shape)


def _encoded(array: Array) -> Array:
    if array.dtype.kind not in "OU":
        return array
    items = np.empty(array.size, dtype=object)
    items[:] = [str(item).encode() for item in array.ravel()]
    return items.reshape(array.shape)
