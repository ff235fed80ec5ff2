"""LiteRT (TensorFlow Lite): .tflite models on the CPU, an Edge TPU, or whatever else has a delegate library.

A quantised model shows its raw INT8 or UINT8 tensors; TensorSpec.quantization says what they stand for. With the option
`session.tensors: FP32` it shows the numbers themselves, as other builds of the same model do. Every request begins with
the model's first state: what a streaming model remembers does not leak from one client to the next.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgewise.api.names import Reason
from edgewise_runtime.engines import memory
from edgewise_runtime.engines.base import Array, EngineOptions, ModelLoadError
from edgewise_runtime.engines.cores import usable_cores
from edgewise_runtime.engines.litert_tensors import ports
from edgewise_runtime.engines.litert_worker import CPU, ERRORS, Recipe, Worker, told
from edgewise_runtime.engines.pool import Pool
from edgewise_runtime.engines.traits import Traits

log = logging.getLogger(__name__)

_TENSORS = "session.tensors"
_EDGE_TPU_ONLY = "edgetpu-custom-op"


class LiteRTSession:
    """A TFLite model. `provider` is CPU, or the name the profile gives to the delegate that took part of the model:
    EdgeTPU, or the path of its library (/usr/lib/libvx_delegate.so). The first of them gets the profile's options."""

    platform = "tflite"
    lost = ""
    traits = Traits(rereads=True)  # interpreters are made anew

    def __init__(self, path: Path, options: EngineOptions) -> None:
        """Blocking. ModelLoadError where the model cannot be loaded, or not on the accelerator it must have."""
        threads = options.threads or usable_cores()
        worker = _first(path, options, threads)
        self.provider = worker.recipe.provider
        self._inputs, self._outputs = ports(worker.interpreter, options.options.get(_TENSORS) == "FP32")
        self.inputs = tuple(port.spec for port in self._inputs.values())
        self.outputs = tuple(port.spec for port in self._outputs.values())
        self._accelerated = worker.accelerated
        recipe = worker.recipe
        self._pool = Pool(lambda: Worker(recipe), 1 if self._accelerated else max(1, usable_cores() // threads))
        self._pool.add(worker)
        memory.held_by(self)

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        taken = {self._inputs[name].index: self._inputs[name].encoded(array) for name, array in feeds.items()}
        wanted = [self._outputs[name] for name in outputs]
        with self._pool.lent() as worker:
            results = worker.run(taken, [port.index for port in wanted])
        return [port.decoded(array) for port, array in zip(wanted, results, strict=True)]

    def release(self) -> None:
        """Gives interpreters back that were made larger for an input; the next run makes one anew."""
        if not self._accelerated and any(-1 in spec.shape for spec in self.inputs):
            self._pool.clear()

    def close(self) -> None:
        self._pool.close()


def _first(path: Path, options: EngineOptions, threads: int) -> Worker:
    """On the first wanted delegate that takes part of the model, else on the CPU."""
    given = {key: value for key, value in options.options.items() if not key.startswith("session.")}
    for name in options.providers:
        if name == CPU:
            break
        try:
            worker = Worker(Recipe(path, name, given, threads))
        except ERRORS as error:
            log.warning("%s cannot run the model: %s", name, told(error))
        else:
            if worker.accelerated:
                return worker
            log.warning("%s takes no part of the model", name)
        given = {}
    if options.require_accelerator:
        wanted = ", ".join(name for name in options.providers if name != CPU) or "none named in runtime.providers"
        raise ModelLoadError(
            Reason.ACCELERATOR_MISSING, f"the profile requires an accelerator ({wanted}), none is here that runs it"
        )
    try:
        return Worker(Recipe(path, CPU, {}, threads))
    except ERRORS as error:
        raise _unloadable(error) from error


def _unloadable(error: Exception) -> ModelLoadError:
    if _EDGE_TPU_ONLY in str(error):
        return ModelLoadError(
            Reason.ACCELERATOR_MISSING, "the model is compiled for an Edge TPU, and there is none here"
        )
    return ModelLoadError(Reason.LOAD_FAILED, f"LiteRT: {told(error)}")
