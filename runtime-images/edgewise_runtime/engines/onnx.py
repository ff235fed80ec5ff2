"""ONNX Runtime, set up for small devices: no telemetry, no spinning threads, memory that does not grow in jumps."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.api.names import Reason
from edgewise_runtime.engines.base import Array, EngineOptions, InputRefusedError, ModelLoadError, TensorSpec
from edgewise_runtime.engines.cores import usable_cores
from edgewise_runtime.engines.onnx_file import NotOnnxError, has_external_data

# disable_telemetry_events() does not stop ONNX Runtime from calling home; this does, if it is set before the import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

log = logging.getLogger(__name__)

CPU = "CPUExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"
_SAME_AS_REQUESTED = 1  # arena_extend_strategy: by default it doubles, which a 1 GiB device cannot afford
_DATATYPES = {
    "bool": "BOOL", "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64", "int8": "INT8",
    "int16": "INT16", "int32": "INT32", "int64": "INT64", "float16": "FP16", "float": "FP32", "double": "FP64",
    "string": "BYTES",
}  # fmt: skip


def _share_one_arena() -> None:
    """One arena for all sessions of the process, growing by what is asked for."""
    info = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    settings = {
        "max_mem": 0,
        "arena_extend_strategy": _SAME_AS_REQUESTED,
        "initial_chunk_size_bytes": -1,
        "max_dead_bytes_per_chunk": -1,
    }
    ort.create_and_register_allocator(info, ort.OrtArenaCfg(settings))


_share_one_arena()


class OnnxSession:
    """An ONNX model. `provider` is the first execution provider ONNX Runtime kept, whatever was asked for."""

    platform = "onnx_onnxv1"

    def __init__(self, path: Path, options: EngineOptions) -> None:
        """Blocking. ModelLoadError where the model cannot be loaded, or not on the accelerator it must have."""
        _refuse_external_data(path)
        self._session = _open(path, options)
        self.provider: str = self._session.get_providers()[0]
        if options.require_accelerator and self.provider == CPU:
            wanted = ", ".join(_wanted(options)) or "none named in runtime.providers"
            raise ModelLoadError(
                Reason.ACCELERATOR_MISSING, f"the profile requires an accelerator ({wanted}), only the CPU is here"
            )
        self.inputs = _specs(self._session.get_inputs())
        self.outputs = _specs(self._session.get_outputs())
        if len(self.inputs) < len(self._session.get_inputs()) or not self.outputs:
            raise ModelLoadError(
                Reason.LOAD_FAILED, "the model has inputs or outputs that are no tensors of the protocol"
            )
        self._text_inputs = {spec.name for spec in self.inputs if spec.datatype == "BYTES"}

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        if self._text_inputs:
            feeds = {
                name: _decoded(name, array) if name in self._text_inputs else array for name, array in feeds.items()
            }
        try:
            results = self._session.run(list(outputs), dict(feeds))
        except ort_errors.InvalidArgument as error:
            raise InputRefusedError(_first_line(error)) from error
        return [_encoded(result) for result in results]

    def close(self) -> None:
        del self._session


def _open(path: Path, options: EngineOptions) -> Any:
    providers = _providers(options)
    try:
        session = ort.InferenceSession(path, _session_options(options), providers=providers, enable_fallback=0)
    except Exception as error:
        raise ModelLoadError(Reason.LOAD_FAILED, f"ONNX Runtime {ort.__version__}: {_first_line(error)}") from error
    session.disable_fallback()
    return session


def _session_options(options: EngineOptions) -> Any:
    settings = ort.SessionOptions()
    settings.log_severity_level = 3
    settings.inter_op_num_threads = 1
    settings.intra_op_num_threads = options.threads or usable_cores()
    entries = {
        "session.intra_op.allow_spinning": "0",
        "session.inter_op.allow_spinning": "0",
        "session.use_env_allocators": "1",
        "session.use_device_allocator_for_initializers": "1",
    }
    entries |= {key: value for key, value in options.options.items() if key.startswith("session.")}
    for key, value in entries.items():
        settings.add_session_config_entry(key, value)
    return settings


def _wanted(options: EngineOptions) -> list[str]:
    return [name for name in options.providers if name != CPU]


def _providers(options: EngineOptions) -> list[tuple[str, dict[str, str]]]:
    """The wanted providers this build of ONNX Runtime has, with their options; the CPU always last."""
    available = ort.get_available_providers()
    accelerators = [name for name in _wanted(options) if name in available]
    missing = sorted(set(_wanted(options)) - set(accelerators))
    if missing:
        log.warning("this image's ONNX Runtime has no %s; going on with %s", ", ".join(missing), [*accelerators, CPU])
    given: dict[str, dict[str, str]] = {name: {} for name in accelerators}
    for key, value in options.options.items():
        owner = TENSORRT if key.startswith("trt_") else next((name for name in accelerators if name != TENSORRT), "")
        if owner in given and not key.startswith("session."):
            given[owner][key] = value
    return [*given.items(), (CPU, {})]


def _refuse_external_data(path: Path) -> None:
    try:
        external = has_external_data(path)
    except (OSError, NotOnnxError) as error:
        raise ModelLoadError(Reason.LOAD_FAILED, f"not a readable ONNX file: {error}") from error
    if external:
        raise ModelLoadError(
            Reason.LOAD_FAILED,
            "the model keeps tensors in other files, which its sha256 does not cover: save it as one file"
            " (onnx.save(model, path, save_as_external_data=False))",
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


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:500] if lines else type(error).__name__
