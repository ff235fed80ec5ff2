"""A program for deltas.py's figures: applies a delta as a device does, and says what it took.

`python -m tests.bench.ota.applied DELTA BASE NEW ROUNDS` (BASE `-`: none). Prints JSON: seconds of each round to
apply it and to read and hash the new file, files from the disk but the delta, which has just been fetched; bytes of
memory beyond what the program has anyway.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import zstandard

from edgewise_runtime.deltas.applying import Wanted, apply
from edgewise_runtime.engines.memory import arrange_heap


def main(delta: Path, base: Path | None, new: Path, rounds: int) -> None:
    arrange_heap()  # the heap as on a device
    target = delta.with_suffix(".applied")
    wanted = Wanted(_hashed(new), new.stat().st_size, _hashed(base) if base else "")
    zstandard.ZstdDecompressor().decompress(zstandard.ZstdCompressor().compress(np.zeros(10, np.uint8).tobytes()))
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    before = _memory("VmRSS")
    times: dict[str, list[float]] = {"read": [], "apply": []}
    for _ in range(rounds):
        for path in (new, *([base] if base else [])):
            _forget(path)
        times["read"].append(_timed(lambda: _hashed(new)))
        times["apply"].append(_timed(lambda: apply(delta, base, target, wanted)))
        target.unlink()  # or the next round frees its pages
    sys.stdout.write(json.dumps({**times, "memory": _memory("VmHWM") - before}))


def _hashed(path: Path) -> str:
    """As the cache checks a file before a process first uses it."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()


def _forget(path: Path) -> None:
    """Out of the page cache."""
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(handle)


def _timed(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def _memory(line: str) -> int:
    """Bytes of this process; not getrusage's, which remember the process that started this one."""
    (found,) = (each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith(line))
    return int(found.split()[1]) * 1024


if __name__ == "__main__":
    delta, base, new, rounds = sys.argv[1:]
    main(Path(delta), None if base == "-" else Path(base), Path(new), int(rounds))
