"""The memory that ONNX Runtime computes in: one arena for all sessions of the process, bounded, and given back.

It grows by what is asked for, not by doubling, which a 1 GiB device cannot afford. The price is that inputs of ever new
sizes leave holes too small for the next one, so after a change of sizes the holes are given back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime as ort

from edgewise_runtime.engines import memory
from edgewise_runtime.engines.base import Array

_SAME_AS_REQUESTED = 1  # arena_extend_strategy
_SECONDS = 1.0  # at most so often while sizes change: memory that comes anew costs page faults
_IDENTITY = (  # an ONNX file: y = x, one number
    b'\x08\t:7\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01'
    b"b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\x11"
)


def share() -> None:
    """Makes the arena; once per process, before the first session."""
    info = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    settings = {
        "max_mem": memory.room(),
        "arena_extend_strategy": _SAME_AS_REQUESTED,
        "initial_chunk_size_bytes": -1,
        "max_dead_bytes_per_chunk": -1,
    }
    ort.create_and_register_allocator(info, ort.OrtArenaCfg(settings))


def _shrinking() -> Any:
    """Options of a run at whose end the arena gives back what is unused."""
    options = ort.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


SHRINK = _shrinking()


class Sizes:
    """What one session was asked for lately, to tell when the arena is worth shrinking. Safe to use from threads:
    a lost update costs a shrink too many or too late."""

    def __init__(self) -> None:
        self._last: tuple[tuple[int, ...], ...] = ()
        self._changed = False
        self._shrunk = time.monotonic()

    def options(self, feeds: Mapping[str, Array]) -> Any:
        """Options for a run on `feeds`: SHRINK where sizes have changed and the last time is a while ago, else None."""
        sizes = tuple([array.shape for array in feeds.values()])
        if sizes != self._last:
            self._changed = bool(self._last)
            self._last = sizes
        if not self._changed or (now := time.monotonic()) - self._shrunk < _SECONDS:
            return None
        self._changed, self._shrunk = False, now
        return SHRINK


_lock = threading.Lock()
_smallest: Any = None


def shrink() -> None:
    """Gives back what no run uses at this moment. The arena does that at the end of a run only, so one is made."""
    global _smallest
    with _lock:
        if _smallest is None:
            options = ort.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            options.add_session_config_entry("session.use_env_allocators", "1")
            _smallest = ort.InferenceSession(_IDENTITY, options, providers=["CPUExecutionProvider"])
        _smallest.run(None, {"x": np.zeros(1, np.float32)}, SHRINK)
