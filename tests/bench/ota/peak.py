"""What a process takes of memory at most, as its control group counts it: files in anonymous memory are part of it.

So is the page cache of files that it is the first to read; who measures reads them before.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_VERSION_2 = (_ROOT / "cgroup.controllers").exists()
_MEMORY = _ROOT if _VERSION_2 else _ROOT / "memory"
_PEAK = "memory.peak" if _VERSION_2 else "memory.max_usage_in_bytes"


def measured(argv: Sequence[str]) -> tuple[str, int]:
    """(what it printed, bytes at its peak), of a process and its children."""
    with _group() as group:
        command = ["sh", "-c", 'echo $$ > "$0" && exec "$@"', f"{group}/cgroup.procs", *argv]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        return done.stdout, int((group / _PEAK).read_text())


@contextlib.contextmanager
def _group() -> Iterator[Path]:
    group = _MEMORY / f"edgewise-bench-{os.getpid()}"
    group.mkdir()
    try:
        yield group
    finally:
        group.rmdir()
