"""What is left for models of the memory this process may have, and giving back what they no longer use.

An engine that takes more than a pod's limit gets the whole pod killed; one that knows the limit refuses a request.
"""

from __future__ import annotations

import ctypes
import os
import threading
from pathlib import Path
from typing import Protocol
from weakref import WeakSet

_LIMIT = Path("/sys/fs/cgroup/memory.max")
_USED = Path("/proc/self/statm")
_RESERVE = 64 * 2**20  # requests and answers on their way, Python: what a limit must leave beside the models
_LEAST = 32 * 2**20  # a bound below this would refuse every model
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # <malloc.h>
_KEPT = 8 * 2**20  # bytes at the heap's end that stay mapped until `release`
_PICTURE = 4 * 2**20  # bytes of one block that still comes from the heap


class Holder(Protocol):
    """Keeps memory for the next run."""

    def release(self) -> None:
        """Gives it back; called from any thread, while runs go on."""


_holders: WeakSet[Holder] = WeakSet()
_lock = threading.Lock()  # a model is loaded in one thread while another looks for what is idle


def held_by(holder: Holder) -> None:
    """From now on `release` asks `holder` too, until it is gone."""
    with _lock:
        _holders.add(holder)


def room() -> int:
    """Bytes that models may still take, by the cgroup v2 memory limit; 0 where there is none."""
    try:
        limit = int(_LIMIT.read_text())
        used = int(_USED.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):  # no cgroup v2, or "max"
        return 0
    return max(_LEAST, limit - used - _RESERVE)


def arrange_heap() -> None:
    """To be called before threads are started: glibc gives each thread a heap of its own, which is never given back.

    And it gives the memory of a request back at once, only to map it again, page by page, for the next one: that took
    0.5 ms for a picture of 602 KB, more than all else about it. What is kept goes when nobody asks: `release`."""
    _libc("mallopt", _M_ARENA_MAX, 2)
    _libc("mallopt", _M_MMAP_THRESHOLD, _PICTURE)
    _libc("mallopt", _M_TRIM_THRESHOLD, _KEPT)


def release() -> None:
    """Back to the system with what engines and the heap keep for the next run. Takes milliseconds: when idle."""
    with _lock:
        holders = list(_holders)
    for holder in holders:
        holder.release()
    _libc("malloc_trim", 0)


def _libc(function: str, *arguments: int) -> None:
    """musl has neither of the two, and needs neither."""
    call = getattr(ctypes.CDLL(None), function, None)
    if call is not None:
        call(*arguments)
