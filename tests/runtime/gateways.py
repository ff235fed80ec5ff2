"""A gateway of a test: the real one, in this process, on a plan of the test."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from edgewise.api.escalation import Budget, EscalationWhen
from edgewise.contract.plan import Plan, PlanEscalation, PlanGateway, PlanRelease, PlanTarget, ReleaseModel
from edgewise_runtime import gateway
from edgewise_runtime.models import Models
from edgewise_runtime.server import Server
from edgewise_runtime.settings import Settings
from tests.cloud.triton import MODEL
from tests.runtime.agent.devices import mount
from tests.runtime.agent.documents import plan
from tests.runtime.agent.waiting import until
from tests.runtime.serving import Addresses, Running

STRICT = EscalationWhen(confidence_below="0.9", overloaded=False)


def document(*targets: str | PlanTarget, sequence: int = 1, **more: Any) -> Plan:
    """Of a deployment whose devices serve `digits` 1.2.0, and may ask these in turn: little, and not for long.

    A URL alone becomes the target t0, t1 …"""
    digits = ReleaseModel(name=MODEL, version="1.2.0", task="Classification", builds=[])
    escalation = PlanEscalation(
        targets=[
            target if isinstance(target, PlanTarget) else PlanTarget(name=f"t{number}", url=target)
            for number, target in enumerate(targets)
        ],
        when=STRICT,
        timeout_seconds=0.001,
        budget=Budget(ratio="0", requests_per_minute=1),
        gateway=PlanGateway(timeout_seconds=10.0),
    )
    release = PlanRelease(name="1.2.0-abc", models=[digits])
    members: dict[str, Any] = {"profiles": {}, "escalation": escalation, **more}
    return plan(sequence, release, **members)


@dataclass
class Gateway(Running):
    """`folder` holds its plan, and its token."""

    folder: Path

    async def until_ready(self, ready: bool = True) -> None:
        """And its probe says so."""
        await until(lambda: self.models.ready is ready, f"ready is {ready}")
        async with self.http.get("/v2/health/ready") as answer:
            assert answer.status == (200 if ready else 503)

    @property
    def asks(self) -> PlanEscalation:
        assert self.server.plane.escalator is not None
        return self.server.plane.escalator.plan


@contextlib.asynccontextmanager
async def standing(folder: Path, following: Plan | None = None, **settings: Any) -> AsyncIterator[Gateway]:
    """A gateway that follows this plan until the block ends."""
    if following is not None:
        mount(folder / "plan", following)
    (folder / "token").write_text("a.b.c")
    places = {f"{name}_folder": str(folder / name) for name in ("plan", "cache")}
    ports = {"host": "127.0.0.1", "http_port": 0, "grpc_port": 0, "metrics_port": 0, "quiet": 0.0}
    told: dict[str, Any] = {**ports, **places, "token_file": str(folder / "token"), "pod_name": "digits-gateway-1"}
    held, made = Models(), Settings(**(told | settings))
    server = Server(held, made, questions=made.max_connections)
    await server.start()
    work = asyncio.ensure_future(gateway.run(server, held, made))
    listening = server.http_port, server.grpc_port, server.metrics_port
    addresses = Addresses(*(f"127.0.0.1:{port}" for port in listening))
    async with aiohttp.ClientSession(f"http://{addresses.http}") as http:
        try:
            yield Gateway(addresses, http, server, held, folder)
        finally:
            work.cancel()
            await asyncio.wait({work})
            await server.drain(5.0)
