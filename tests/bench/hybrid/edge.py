"""A device in a process of its own, as a bench asks it: `python -m tests.bench.hybrid.edge MODEL PORT [PLAN]`.

PLAN: a PlanEscalation as JSON; absent: it has only itself."""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import uvloop

from edgewise.api.confidence import Confidence
from edgewise.contract.plan import PlanEscalation
from tests.bench.serving.processes import Command, started
from tests.cluster.ports import free_port
from tests.runtime.serving import running, served

NAME = "digits"
LOGITS = Confidence(output="logits")


@contextlib.contextmanager
def device(model: Path, plan: PlanEscalation | None = None) -> Iterator[int]:
    """Its HTTP port, on the servers' core."""
    port = free_port()
    argv = [sys.executable, "-m", "tests.bench.hybrid.edge", str(model), str(port)]
    with tempfile.TemporaryDirectory() as folder:
        if plan is not None:
            file = Path(folder, "plan.json")
            file.write_text(plan.model_dump_json(by_alias=True))
            argv.append(str(file))
        with started(Command("hybrid" if plan else "edge", argv), port):
            yield port


async def _serve(model: Path, port: int, plan: PlanEscalation | None) -> None:
    async with running(served(model, NAME, confidence=LOGITS), http_port=port) as running_:
        running_.server.configure(None, plan)
        await asyncio.Event().wait()


def main() -> None:
    model, port, *plan = sys.argv[1:]
    escalation = PlanEscalation.model_validate_json(Path(plan[0]).read_bytes()) if plan else None
    uvloop.run(_serve(Path(model), int(port), escalation))


if __name__ == "__main__":
    main()
