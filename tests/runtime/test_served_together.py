"""Batching, deadlines and their metrics as a client meets them: over HTTP, with a real model."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewise.contract.plan import PlanServing
from edgewise_runtime.tuning.choice import Choice
from tests.runtime import tinyonnx
from tests.runtime.agent.waiting import until
from tests.runtime.serving import Running, numbers, running, served
from tests.runtime.sessions import Gated, model

WIDTH = 1024


@pytest.fixture
async def device(session: Gated, tmp_path: Path) -> AsyncIterator[Running]:
    """One worker, a model that was found to gain by sharing runs, and one that can keep the worker busy."""
    dense = served(tinyonnx.dense(tmp_path, WIDTH))
    choice = Choice(threads=1, workers=1, batch=8, gain=2.0, latency=0.002, throughput=500.0, size=WIDTH * 4)
    async with running(dataclasses.replace(dense, choice=choice), model(session), workers=1) as device:
        yield device


async def ask(device: Running, value: float) -> float:
    """The first of the answer's numbers."""
    row = np.full((1, WIDTH), value, np.float32)
    status, answer = await device.infer("dense", {"inputs": [numbers("x", row)]})
    assert status == 200, answer
    return float(answer["outputs"][0]["data"][0])


async def occupy(device: Running) -> asyncio.Task[tuple[int, dict[str, Any]]]:
    """The request that keeps the worker busy."""
    task = asyncio.ensure_future(device.infer("gated", {"inputs": [numbers("x", np.ones(1))]}))
    await until(lambda: device.server.plane.dispatch.running, "the worker is busy")
    return task


async def together(device: Running, session: Gated) -> list[float]:
    """What six clients are answered who come while the worker is busy."""
    first = await occupy(device)
    answers = asyncio.gather(*(ask(device, float(number)) for number in range(6)))
    await until(lambda: device.server.plane.dispatch.waiting == 6, "all six wait")
    session.gate.set()
    await first
    return list(await answers)


async def test_requests_share_a_run_and_each_gets_its_own_answer(device: Running, session: Gated) -> None:
    one = await ask(device, 1.0)
    assert await together(device, session) == pytest.approx([one * number for number in range(6)], rel=1e-3, abs=1e-9)
    assert await device.metric('edgewise_batch_rows_sum{model="dense",version="1"}') == 7
    assert await device.metric('edgewise_batch_rows_count{model="dense",version="1"}') < 7
    assert await device.metric('edgewise_queue_wait_seconds_count{model="dense",version="1"}') == 7


async def test_batching_off_is_honoured(device: Running, session: Gated) -> None:
    device.server.configure(PlanServing(batching="Off"), None)
    await together(device, session)
    assert await device.metric('edgewise_batch_rows_count{model="dense",version="1"}') == 6


async def test_a_request_whose_time_passes_in_the_queue_is_told_so(device: Running, session: Gated) -> None:
    first = await occupy(device)
    row = numbers("x", np.ones((1, WIDTH), np.float32))
    status, answer = await device.infer("dense", {"inputs": [row], "parameters": {"timeout": 20_000}})
    assert status == 504
    assert "time the request allows passed" in answer["error"] or "longer than the request allows" in answer["error"]
    session.gate.set()
    assert (await first)[0] == 200
    assert await device.metric('edgewise_requests_total{model="dense",outcome="late",source="device",version="1"}') == 1


async def test_what_the_tuner_chose_can_be_seen(device: Running) -> None:
    labels = 'batch="8",model="dense",threads="1",version="1",workers="1"'
    assert await device.metric(f"edgewise_model_tuned{{{labels}}}") == 1
