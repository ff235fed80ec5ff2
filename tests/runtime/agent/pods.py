"""The whole program as a pod runs it: `edgewise-runtime agent` as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.runtime.agent.documents import NODE, PROFILE
from tests.runtime.agent.waiting import until

QUESTION = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 1, 1, 1]}]}


@dataclass
class Pod:
    """A running process and its ports."""

    process: asyncio.subprocess.Process
    log: Path
    ports: list[int] = field(default_factory=list)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What it logged so far: JSON, a line each."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.endswith("}")]

    def served(self, release: str) -> bool:
        """Whether it ever said that it serves `release`."""
        return any(line["message"] == "serving" and line["release"] == release for line in self.lines)

    async def ask(self, http: aiohttp.ClientSession) -> tuple[int, float | None]:
        """Status, and what the model makes of a 1."""
        async with http.post(f"http://127.0.0.1:{self.ports[0]}/v2/models/digits/infer", json=QUESTION) as response:
            body = await response.json()
        return response.status, body["outputs"][0]["data"][0] if response.status == 200 else None

    async def poke(self, http: aiohttp.ClientSession) -> None:
        """Ask for a report, as the operator does."""
        async with http.post(f"http://127.0.0.1:{self.ports[-1]}/poke") as poked:
            assert poked.status == 202

    async def stop(self) -> int:
        """SIGTERM; exit status."""
        self.process.send_signal(signal.SIGTERM)
        return await self.process.wait()


@contextlib.asynccontextmanager
async def pod(root: Path, **more: str) -> AsyncIterator[Pod]:
    """Started with nothing but its environment, and `more` of it; killed at the end where it still runs."""
    environment = {
        **os.environ,
        "EDGEWISE_HOST": "127.0.0.1",
        "EDGEWISE_HTTP_PORT": "0",
        "EDGEWISE_GRPC_PORT": "0",
        "EDGEWISE_METRICS_PORT": "0",
        "EDGEWISE_NODE_NAME": NODE,
        "EDGEWISE_POD_NAME": "pod-1",
        "EDGEWISE_PROFILE": PROFILE,
        "EDGEWISE_PLAN_FOLDER": str(root / "plan"),
        "EDGEWISE_CACHE_FOLDER": str(root / "cache"),
        "EDGEWISE_TOKEN_FILE": str(root / "token"),
        "EDGEWISE_ALLOW_ADDRESSES": "127.0.0.1",
        "EDGEWISE_SECRETS_FOLDER": str(root / "secrets"),
        "EDGEWISE_QUIET": "0",
        **more,
    }
    (root / "token").write_text("token")
    log = root / "log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "edgewise_runtime", "agent", env=environment, stderr=output
        )
    running = Pod(process, log)
    try:
        await until(lambda: _ports(running), "the program listens")
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _ports(running: Pod) -> list[int]:
    """From its log: that is where a person would look."""
    for line in running.lines:
        if line["message"].startswith("serving on port"):
            running.ports = [int(word.strip(",")) for word in line["message"].split() if word.strip(",").isdecimal()]
    return running.ports
