"""A device with a weak model that asks a strong one: what the tests of escalation share.

The device answers [1, 0] with confidence 0.52 and [100, 0] with 1.0; the cloud answers both with 1.0.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.api.confidence import Confidence
from edgewise.api.escalation import Budget, EscalationWhen
from edgewise.contract.plan import PlanEscalation, PlanTarget
from edgewise_runtime.escalation.policy import Escalator
from edgewise_runtime.tuning.choice import Choice
from tests.bench.serving.processes import answers
from tests.cluster.ports import free_port
from tests.cluster.process import Records, with_parent
from tests.cluster.waiting import wait_for
from tests.runtime import tinyonnx
from tests.runtime.agent.waiting import until
from tests.runtime.serving import Running, numbers, running, served

HARD, EASY = [[1.0, 0.0]], [[100.0, 0.0]]
LOGITS = Confidence(output="logits")
RESULTS = (
    "answered", "timeout", "unreachable", "refused", "invalid", "rejected", "unconfigured", "open", "budget",
    "late", "busy", "hops",
)  # fmt: skip


@contextlib.contextmanager
def strong_cloud(folder: Path) -> Iterator[int]:
    """Port of a process of its own, which knows nothing of event loops here: many tests share one."""
    path, port, records = tinyonnx.linear(folder, np.eye(2) * 20, "strong"), free_port(), Records(folder)
    command = [sys.executable, "-m", "edgewise_runtime", "serve", str(path), "--port", str(port)]
    process = records.start("strong", with_parent(command))
    try:
        wait_for("the strong model is served", lambda: answers(port, "/v2/health/ready"), process)
        yield port
    finally:
        records.stop()


@contextlib.asynccontextmanager
async def weak_device(folder: Path, **settings: Any) -> AsyncIterator[Running]:
    """Its model was measured: it answers at once where it may."""
    weak = served(tinyonnx.linear(folder, np.eye(2) / 10, "weak"), "digits", "2.1.0", LOGITS)
    quick = dataclasses.replace(weak, choice=Choice(latency=1e-5, size=8))
    async with running(quick, **settings) as device:
        yield device


def plan(*urls: str, model: str = "strong", **changes: Any) -> PlanEscalation:
    """Targets named t0, t1 … that are asked about answers below 0.85."""
    targets = [PlanTarget(name=f"t{number}", url=url, model=model) for number, url in enumerate(urls)]
    fields: dict[str, Any] = {
        "when": EscalationWhen(confidence_below="0.85"), "timeout_seconds": 5.0, "budget": Budget(),
    }  # fmt: skip
    return PlanEscalation(targets=targets, **(fields | changes))


async def ask(device: Running, x: list[list[float]], model: str = "digits", **more: Any) -> dict[str, Any]:
    status, body = await device.infer(model, {"inputs": [numbers("x", np.array(x, np.float32))], **more})
    assert status == 200, body
    return body


def source(body: dict[str, Any]) -> str:
    return str(body["parameters"]["edgewise_source"])


async def result(device: Running, target: str = "t0") -> list[str]:
    """Which results of questions to `target` were counted."""
    line = 'edgewise_escalations_total{{result="{}",target="{}"}}'
    return [name for name in RESULTS if await device.metric(line.format(name, target))]


def escalator(device: Running) -> Escalator:
    assert device.server.plane.escalator is not None
    return device.server.plane.escalator


async def settled(device: Running) -> None:
    """Whatever its clients waited for, its questions have ended by themselves, and it has learnt of them."""
    await until(lambda: not escalator(device)._experience.rounds, "the questions have ended")


def waited(device: Running) -> None:
    """As if every open breaker had had its time."""
    for breaker in escalator(device)._experience.breakers.values():
        breaker._retry_at = 0.0
