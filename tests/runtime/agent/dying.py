"""A program for test_crashes.py: the agent on a folder, killed by its own hand before the n-th step that changes the
disk, or what is served. Exits with 0 once the wanted release is served, having survived.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgewise_runtime.models import Models
from tests.runtime.agent.devices import device


def deadly(step: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Wraps functions, all counted together, so that call number `step` (from 0) is the last thing that happens."""
    calls = itertools.count()

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if next(calls) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        return call

    return wrap


async def follow(root: Path, release: str) -> None:
    async with device(root) as edge:
        await edge.until_serving(release)


def main() -> None:
    root, release, step = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    wrap = deadly(step)
    for name in ("fsync", "replace", "unlink", "truncate", "mkdir"):
        setattr(os, name, wrap(getattr(os, name)))
    Models.replace = wrap(Models.replace)  # type: ignore[method-assign]
    asyncio.run(follow(root, release))


if __name__ == "__main__":
    main()
