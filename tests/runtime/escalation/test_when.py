"""What makes a device ask: each way in which it has no answer of its own, over both protocols."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewise.api.escalation import EscalationWhen
from edgewise_runtime.engines.base import AcceleratorLostError, Array, EngineFailedError, TensorSpec
from edgewise_runtime.models import ServedModel
from edgewise_runtime.tuning.choice import Choice
from tests.runtime import tinyonnx
from tests.runtime.agent.waiting import until
from tests.runtime.faults import Link
from tests.runtime.helped import HARD, plan, result, source
from tests.runtime.serving import numbers, running, served
from tests.runtime.sessions import Gated, model

BODY = {"inputs": [numbers("x", np.array(HARD, np.float32))]}


class Broken:
    """Takes what the cloud's model takes, and fails."""

    platform = "test"
    provider = "CPU"
    lost = ""
    inputs = (TensorSpec("x", "FP32", (-1, 2)),)
    outputs = (TensorSpec("logits", "FP32", (-1, 2)), TensorSpec("twice", "FP32", (-1, 2)))

    def __init__(self, error: Exception) -> None:
        self._error = error

    def run(self, _feeds: Mapping[str, Array], _outputs: Sequence[str]) -> list[Array]:
        raise self._error

    def close(self) -> None:
        """Nothing to give back."""


QUICK, SLOW = Choice(latency=1e-5, size=8), Choice(latency=0.1, size=8)
FAILURES: dict[str, tuple[Exception, Choice, int]] = {
    "the engine fails at once": (EngineFailedError("out of memory"), QUICK, 500),
    "the engine fails in a worker": (EngineFailedError("out of memory"), SLOW, 500),
    "the accelerator is gone": (AcceleratorLostError("the Edge TPU is unplugged"), SLOW, 503),
}


@pytest.mark.parametrize("case", FAILURES)
async def test_a_device_whose_model_fails_asks_where_it_may(case: str, cloud: Link) -> None:
    error, choice, status = FAILURES[case]
    broken = ServedModel("digits", "1", "test", Broken(error), choice=choice)
    async with running(broken) as device:
        device.server.configure(None, plan(cloud.url))
        answered, body = await device.infer("digits", BODY)
        assert (answered, source(body)) == (200, "target:t0")
        assert device.models.tallies.of("r1").escalated == 1
        device.server.configure(None, plan(cloud.url, when=EscalationWhen(unavailable=False)))
        assert (await device.infer("digits", BODY))[0] == status
        assert await result(device) == ["answered"]


async def test_an_input_that_the_model_refuses_is_the_clients_business(folder: Path, cloud: Link) -> None:
    async with running(served(tinyonnx.linear(folder, np.eye(2), "weak"), "digits")) as device:
        device.server.configure(None, plan(cloud.url))
        wrong: dict[str, Any] = {"inputs": [numbers("x", np.ones((1, 3), np.float32))]}
        assert (await device.infer("digits", wrong))[0] == 400
        assert (await device.infer("nothing", BODY))[0] == 404
    assert cloud.connections == 0


async def test_a_request_that_would_take_too_long_here_is_asked_elsewhere(session: Gated, cloud: Link) -> None:
    """Its model is known to take a minute, its client waits for half of one; the cloud has that time."""
    slow = ServedModel(
        "digits", "1", "test", Broken(EngineFailedError("it was run")), choice=Choice(latency=60, size=8)
    )
    in_a_hurry = {**BODY, "parameters": {"timeout": 30_000_000}}
    async with running(slow, model(session, "busy"), workers=1) as device:
        working = asyncio.ensure_future(device.infer("busy", {"inputs": [numbers("x", np.ones(1, np.float32))]}))
        await until(lambda: device.server.plane.dispatch.running, "the only worker is at work")
        for when, expected in ((EscalationWhen(unavailable=False), 200), (EscalationWhen(overloaded=False), 504)):
            device.server.configure(None, plan(cloud.url, when=when))
            assert (await device.infer("digits", in_a_hurry))[0] == expected
        assert await result(device) == ["answered"]
        session.gate.set()
        assert (await working)[0] == 200


async def test_as_many_are_asked_about_as_may_and_no_more(cloud: Link) -> None:
    async with running() as device:
        cloud.fault = "blackhole"
        device.server._questions = 2
        device.server.configure(None, plan(cloud.url, timeout_seconds=3600.0))
        waiting = [asyncio.ensure_future(device.infer("digits", BODY)) for _ in range(2)]
        await until(lambda: cloud.connections == 2, "two are under way")
        assert (await device.infer("digits", BODY))[0] == 503
        assert await result(device, "") == ["busy"]
        for one in waiting:
            one.cancel()
        await asyncio.wait(waiting)
