"""A program for spool.py's figures: sends what lies in a spool until it is killed.

`python -m tests.bench.hybrid.sender FOLDER URL`
"""

import asyncio
import sys
from pathlib import Path

from edgewise.contract.plan import PlanSpool
from edgewise_runtime.metrics import Metrics
from edgewise_runtime.spool.record import Origin
from edgewise_runtime.spool.sink import Way
from edgewise_runtime.spool.spool import Home, Spool


async def send(folder: Path, url: str) -> None:
    plan = PlanSpool(max_bytes=2**26, max_age_seconds=1e6, sink=url)
    spool = Spool(plan, Home(folder, Origin("bench", "bench/bench"), Way(folder)), Metrics())
    await spool.open()
    await spool.run()


if __name__ == "__main__":
    asyncio.run(send(Path(sys.argv[1]), sys.argv[2]))
