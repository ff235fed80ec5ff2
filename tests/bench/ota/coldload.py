"""`python -m tests.bench.ota.coldload FOLDER`: a device after a power cut, its model in the cache. Prints the seconds
from looking at the cache to serving: hash, trust, decrypt, load, one run. The engine is imported before.
"""

import asyncio
import gc
import sys
import time
from pathlib import Path

from edgewise_runtime.engines.memory import arrange_heap
from edgewise_runtime.engines.onnx import OnnxSession
from tests.runtime.agent.devices import device

RELEASE = "r1"


async def _served(root: Path) -> float:
    began = time.perf_counter()
    async with device(root) as edge:
        while edge.models.release != RELEASE:
            await asyncio.sleep(0.0005)
        return time.perf_counter() - began


if __name__ == "__main__":
    assert OnnxSession.platform
    arrange_heap()  # this and the next line as commands.py does
    gc.freeze()
    print(asyncio.run(_served(Path(sys.argv[1]))))
