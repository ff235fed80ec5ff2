"""A program for test_stock.py: brings one file into a cache, again and again, each time killed one step later before it
changes the disk. Forks for each, so that Python starts once. Prints how many steps there were.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import signal
import sys
from pathlib import Path

from edgewise.api.edgemodel import Source
from edgewise.contract.plan import Build
from edgewise_runtime.agent.cache import Cache, Room
from edgewise_runtime.agent.fetch import Access, Fetcher
from edgewise_runtime.agent.stock import Stock
from tests.runtime.deadly import deadly

STEPS_AT_MOST = 100


def bring(root: Path, source: Source, room: Room) -> None:
    stock = Stock(Cache(root), Fetcher(Access(root / "secrets", frozenset({"127.0.0.1"}))))
    build = Build(variant="fp32", format="ONNX", precision="FP32", source=source, memory=1)
    asyncio.run(stock.obtain(build, room, lambda _: None))


def die(root: Path, source: Source, room: Room, step: int) -> None:
    wrap = deadly(step)
    for name in ("fsync", "replace", "unlink", "truncate", "ftruncate", "mkdir", "pwrite", "utime"):
        setattr(os, name, wrap(getattr(os, name)))
    bring(root, source, room)


def main() -> None:
    before, source, serving = Path(sys.argv[1]), Source.model_validate_json(sys.argv[2]), sys.argv[3]
    room = Room(int(sys.argv[4]), frozenset({serving, source.sha256}))
    for step in itertools.count():
        root = before.with_name(f"step-{step}")
        shutil.copytree(before, root)
        child = os.fork()
        if child == 0:
            die(root, source, room, step)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status == 0:
            break
        assert os.WTERMSIG(status) == signal.SIGKILL, f"it fell over by itself at step {step}"
        assert step < STEPS_AT_MOST
    print(step)


if __name__ == "__main__":
    main()
