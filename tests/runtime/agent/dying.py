"""A program for test_crashes.py: the agent on a folder, killed by its own hand before the n-th step that changes the
disk, or what is served. Exits with 0 once the wanted release is served, having survived.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from edgewise_runtime.models import Models
from tests.runtime.agent.devices import device
from tests.runtime.deadly import deadly


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
