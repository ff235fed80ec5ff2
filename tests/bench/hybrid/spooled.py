"""A program for spool.py's figures: serves a model all of whose answers are hard, with or without a spool.

`python -m tests.bench.hybrid.spooled MODEL PORT FOLDER`; FOLDER `-`: no spool. Its one target may never be asked.
"""

import asyncio
import sys
from pathlib import Path

from edgewise.api.confidence import Confidence
from edgewise.api.escalation import Budget, EscalationWhen
from edgewise.contract.plan import PlanEscalation, PlanSpool, PlanTarget
from edgewise_runtime.engines import load
from edgewise_runtime.engines.base import EngineOptions
from edgewise_runtime.models import Models, ServedModel
from edgewise_runtime.server import Server
from edgewise_runtime.settings import Settings
from edgewise_runtime.spool.record import Origin
from edgewise_runtime.spool.sink import Way
from edgewise_runtime.spool.spool import Home, Spool

ROOM = 2**26
HARD = PlanEscalation(
    targets=[PlanTarget(name="cloud", url="http://127.0.0.1:9")],
    when=EscalationWhen(confidence_below="1"), timeout_seconds=1.0, budget=Budget(ratio="0"),
)  # fmt: skip


async def serve(model: Path, port: int, folder: str) -> None:
    session = load(model, "ONNX", EngineOptions(threads=1))
    output = session.outputs[0].name
    models = Models()
    served = ServedModel(model.stem, "1", "bench", session, confidence=Confidence(output=output, temperature="1000"))
    models.replace({model.stem: served}, "bench")
    server = Server(models, Settings(host="127.0.0.1", http_port=port, grpc=False, metrics_port=0))
    server.configure(None, HARD)
    if folder != "-":
        home = Home(Path(folder), Origin("bench", "bench/bench"), Way(Path("/nowhere")))
        spool = Spool(PlanSpool(max_bytes=ROOM, max_age_seconds=3600.0), home, server.metrics)
        await spool.open()
        server.plane.spool = spool
    await server.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
