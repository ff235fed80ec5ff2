"""A program for test_crashes.py: the agent on a folder, killed by its own hand before the n-th step that changes the
disk, or what is served. Exits with 0 once the wanted release is served, having survived.

With arguments it does so once. Without, it answers each line `<step> <release> <folder>` on its input with an exit
status, from a fork of itself: to import everything takes longer than to die.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import onnxruntime  # noqa: F401  once, for all forks

from edgewise_runtime.models import Models
from tests.runtime.agent.devices import device
from tests.runtime.deadly import deadly


async def follow(root: Path, release: str) -> None:
    async with device(root) as edge:
        await edge.until_serving(release)


def live(step: int, release: str, root: Path) -> None:
    wrap = deadly(step)
    for name in ("fsync", "replace", "unlink", "truncate", "mkdir"):
        setattr(os, name, wrap(getattr(os, name)))
    Models.replace = wrap(Models.replace)  # type: ignore[method-assign]
    Models.withdraw = wrap(Models.withdraw)  # type: ignore[method-assign]
    asyncio.run(follow(root, release))


def fork(line: str) -> int:
    """Exit status of a process that lived by `line`."""
    step, release, root = line.rstrip("\n").split(" ", 2)
    child = os.fork()
    if child == 0:
        live(int(step), release, Path(root))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main() -> None:
    if len(sys.argv) > 1:
        live(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
        return
    for line in sys.stdin:
        print(fork(line), flush=True)


if __name__ == "__main__":
    main()
