"""OpenVINO: ONNX models and its own IR on Intel CPUs, GPUs and NPUs.

Devices go by OpenVINO's names (CPU, GPU, GPU.1, NPU, AUTO:GPU,CPU). Computes in FP32 unless the profile's options ask
for less: where the processor has bf16, OpenVINO would use it by itself, and answers would differ between devices.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from edgewise.api.names import Reason
from edgewise_runtime.engines import memory
from edgewise_runtime.engines.base import (
    Array,
    EngineFailedError,
    EngineOptions,
    InputRefusedError,
    ModelLoadError,
    TensorSpec,
)
from edgewise_runtime.engines.cores import usable_cores
from edgewise_runtime.engines.onnx_file import refuse_external_data
from edgewise_runtime.engines.openvino_ir import is_archive, unpacked
from edgewise_runtime.engines.openvino_shapes import ShapeCheck
from edgewise_runtime.engines.pool import Pool

# Importing openvino imports its converter, which reports that import to Google Analytics, and takes 30 MiB.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
sys.modules.setdefault("openvino.tools.ovc", None)  # type: ignore[arg-type]
_openvino: Any = import_module("openvino")

log = logging.getLogger(__name__)

CPU = "CPU"
_DATATYPES = {
    "boolean": "BOOL", "u8": "UINT8", "u16": "UINT16", "u32": "UINT32", "u64": "UINT64", "i8": "INT8", "i16": "INT16",
    "i32": "INT32", "i64": "INT64", "f16": "FP16", "f32": "FP32", "f64": "FP64",
}  # fmt: skip
_DEFAULTS = {"INFERENCE_PRECISION_HINT": "f32"}
_ON_CPU = {
    "ENABLE_CPU_PINNING": "NO",  # other pods have the same cores in mind
    "CPU_RUNTIME_CACHE_CAPACITY": "100",  # compiled kernels, one per shape; 5,000 by default
}
_ON_AUTO = {
    "ENABLE_STARTUP_FALLBACK": "NO",  # what computes is what is reported
    "ENABLE_RUNTIME_FALLBACK": "NO",  # standby.py does that, and tells
}
_WHERE = ("Exception from ", "Check ")  # lines of an error that say where in OpenVINO's code it was


class OpenVINOSession:
    """A model on one device. `provider` is that device; of AUTO, what it chose."""

    platform = "openvino"
    lost = ""

    def __init__(self, path: Path, options: EngineOptions) -> None:
        """Blocking. ModelLoadError where the model cannot be loaded, or not on the device it must have."""
        model = _read(path)
        self.provider, compiled = _first(model, options)
        self._compiled = compiled
        self.inputs, self.outputs = _specs(compiled.inputs), _specs(compiled.outputs)
        self._places = {spec.name: place for place, spec in enumerate(self.outputs)}
        self._check = ShapeCheck(model, self.inputs)
        self._pool = Pool(compiled.create_infer_request, compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        memory.held_by(self)

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        taken = {place: feeds[spec.name] for place, spec in enumerate(self.inputs)}
        try:
            self._check(tuple(array.shape for array in taken.values()))
        except RuntimeError as error:
            raise InputRefusedError(_told(error)) from error
        try:
            with self._pool.lent() as request:
                results = request.infer(taken, share_inputs=True)
                return [results[self._places[name]] for name in outputs]
        except RuntimeError as error:
            failed = EngineFailedError if self.provider != CPU else InputRefusedError
            raise failed(_told(error)) from error

    def release(self) -> None:
        """Gives back what it keeps for the next run, but for buffers as large as its largest outputs were."""
        self._pool.clear()
        compiled = self._compiled
        if compiled is not None:
            with contextlib.suppress(RuntimeError):  # refused while a run goes on: the next time will do
                compiled.release_memory()

    def close(self) -> None:
        self._pool.close()
        self._compiled = None


@cache
def _core() -> Any:
    return _openvino.Core()


def _read(path: Path) -> Any:
    try:
        if is_archive(path):
            return _core().read_model(*unpacked(path))
        refuse_external_data(path)
        return _core().read_model(path)
    except (RuntimeError, OSError) as error:
        raise ModelLoadError(Reason.LOAD_FAILED, f"OpenVINO cannot read the model: {_told(error)}") from error


def _first(model: Any, options: EngineOptions) -> tuple[str, Any]:
    """The first wanted device that is here and takes the model, else the CPU; and the model compiled for it."""
    devices = [device for device in options.providers if device != CPU]
    for device in filter(_is_here, devices):
        given = dict(options.options) if device == options.providers[0] else {}
        try:
            compiled = _core().compile_model(model, device, _settings(device, options, given))
        except RuntimeError as error:
            log.warning("%s cannot run the model: %s", device, _told(error))
            continue
        return _provider(device, compiled), compiled
    if options.require_accelerator:
        wanted = ", ".join(devices) or "none named in runtime.providers"
        raise ModelLoadError(
            Reason.ACCELERATOR_MISSING, f"the profile requires an accelerator ({wanted}), none is here that runs it"
        )
    given = dict(options.options) if options.providers[:1] in ((), (CPU,)) else {}
    try:
        return CPU, _core().compile_model(model, CPU, _settings(CPU, options, given))
    except (RuntimeError, TypeError) as error:
        raise ModelLoadError(Reason.LOAD_FAILED, f"OpenVINO: {_told(error)}") from error


def _is_here(device: str) -> bool:
    available: list[str] = _core().available_devices
    here = device.partition(":")[0] in ("AUTO", "HETERO", "MULTI") or any(
        device in (one, one.partition(".")[0]) for one in available
    )
    if not here:
        log.warning("there is no %s here, only %s", device, ", ".join(available))
    return here


def _settings(device: str, options: EngineOptions, given: Mapping[str, str]) -> dict[str, str]:
    settings = dict(_DEFAULTS)
    if device == CPU:
        threads = options.threads or usable_cores()
        at_once = max(1, usable_cores() // threads)
        settings |= _ON_CPU | {"INFERENCE_NUM_THREADS": str(threads * at_once), "NUM_STREAMS": str(at_once)}
    elif device.startswith("AUTO"):
        settings |= _ON_AUTO
    return settings | dict(given)


def _provider(asked: str, compiled: Any) -> str:
    used: list[str] = [device.strip("()") for device in compiled.get_property("EXECUTION_DEVICES")]
    return asked if all(device.partition(".")[0] == asked for device in used) else ",".join(used)


def _specs(ports: Sequence[Any]) -> tuple[TensorSpec, ...]:
    """Text is refused: an Identity over strings corrupts OpenVINO's heap (2026.4)."""
    specs = []
    for place, port in enumerate(ports):
        name = min(port.names) if port.names else f"tensor_{place}"
        kind = port.get_element_type().get_type_name()
        if kind not in _DATATYPES:
            raise ModelLoadError(
                Reason.NOT_SUPPORTED, f"{name} is a tensor of {kind}, which OpenVINO cannot serve here; use ONNXRuntime"
            )
        shape = (size.get_length() if size.is_static else -1 for size in port.get_partial_shape())
        specs.append(TensorSpec(name, _DATATYPES[kind], tuple(shape)))
    return tuple(specs)


def _told(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(_WHERE)] or lines or [type(error).__name__]
    return telling[0][:500]
