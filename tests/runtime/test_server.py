"""Under load: nothing is lost in a swap or in a drain, and what is too much is refused at once."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.contract.plan import PlanServing
from edgewise_runtime.models import ServedModel
from tests.runtime import tinyonnx
from tests.runtime.agent.waiting import PATIENCE_SECONDS, until
from tests.runtime.serving import Running, numbers, ones, running, served
from tests.runtime.sessions import Gated, model

QUESTION = {"inputs": [numbers("x", np.ones(1))]}


async def asked(device: Running) -> asyncio.Task[tuple[int, dict[str, Any]]]:
    """A request that runs until the gate opens."""
    slow = asyncio.ensure_future(device.infer("gated", QUESTION))
    await until(lambda: device.server.plane.dispatch.running, "it runs")
    return slow


async def test_a_swap_under_load_loses_no_request_and_mixes_no_versions(tmp_path: Path) -> None:
    """A thousand requests while the model is swapped back and forth: each answer fits the version it names."""
    factor = {"1": 1.0, "2": 2.0}
    paths = {version: tinyonnx.linear(tmp_path, np.eye(2) * factor[version], f"v{version}") for version in factor}
    answers: list[tuple[str, list[float]]] = []

    async def load(device: Running) -> None:
        for _ in range(125):
            status, body = await device.infer("linear", {"inputs": [numbers("x", ones(1, 2))]})
            assert status == 200, body
            answers.append((body["model_version"], body["outputs"][0]["data"]))

    async with running(served(paths["1"], "linear", "1"), workers=2) as device:
        clients = [asyncio.ensure_future(load(device)) for _ in range(8)]
        for number in range(20):
            await until(lambda number=number: len(answers) > number * 40, "requests flow")  # type: ignore[misc]
            version = "2" if number % 2 == 0 else "1"
            device.models.replace({"linear": served(paths[version], "linear", version)}, f"r{version}")
        await asyncio.gather(*clients)
    assert len(answers) == 1000
    assert {version for version, _ in answers} == {"1", "2"}
    assert all(data == [factor[version]] * 2 for version, data in answers)


async def test_a_model_in_use_outlives_its_replacement(session: Gated) -> None:
    async with running(model(session), workers=2) as device:
        slow = await asked(device)
        newer = Gated()
        newer.gate.set()
        device.models.replace({"gated": ServedModel("gated", "2", "test", newer)}, "r2")
        assert (await device.infer("gated", QUESTION))[1]["model_version"] == "2"
        session.gate.set()
        status, answer = await slow
        assert (status, answer["model_version"]) == (200, "1")


async def test_overload_is_refused_at_once_with_when_to_come_back(session: Gated) -> None:
    async with running(model(session), workers=1) as device:
        device.server.configure(PlanServing(max_queue=1), None)
        accepted = [await asked(device), asyncio.ensure_future(device.infer("gated", QUESTION))]
        await until(lambda: device.server.plane.dispatch.waiting, "one waits")
        async with device.http.post("/v2/models/gated/infer", json=QUESTION) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
            assert "waiting on this device" in (await answer.json())["error"]
        session.gate.set()
        assert [status for status, _ in await asyncio.gather(*accepted)] == [200, 200]


async def test_health_is_told_while_a_model_computes(session: Gated) -> None:
    async with running(model(session), workers=1) as device:
        slow = await asked(device)
        async with device.http.get("/v2/health/live") as answer:
            assert answer.status == 200
        session.gate.set()
        assert (await slow)[0] == 200


async def test_a_client_that_goes_away_gives_its_place_in_the_queue_back(session: Gated) -> None:
    async with running(model(session), workers=1, max_queue=1) as device:
        dispatch = device.server.plane.dispatch
        slow = await asked(device)
        gone = asyncio.ensure_future(device.infer("gated", QUESTION))
        await until(lambda: dispatch.waiting, "one waits")
        gone.cancel()
        await until(lambda: not dispatch.waiting, "its place is free")
        session.gate.set()
        assert (await slow)[0] == 200


async def test_a_draining_server_answers_on_and_sends_clients_elsewhere(session: Gated, tmp_path: Path) -> None:
    """It is held open here by a request that takes its time."""
    body = {"inputs": [numbers("x", ones(1, 2))]}
    async with running(model(session), served(tinyonnx.linear(tmp_path, np.eye(2))), workers=2) as device:
        slow = await asked(device)
        draining = asyncio.ensure_future(device.server.drain(PATIENCE_SECONDS))
        await until(lambda: device.server.plane.draining, "it drains")
        async with device.http.get("/v2/health/ready") as answer:
            assert answer.status == 200
        for _ in range(5):
            async with device.http.post("/v2/models/linear/infer", json=body) as answer:
                assert answer.status == 200
                assert answer.headers["Connection"] == "close"
        assert not draining.done()
        session.gate.set()
        assert (await slow)[0] == 200
        await draining


async def test_a_drain_waits_until_nobody_has_asked_for_a_while(tmp_path: Path) -> None:
    async with running(served(tinyonnx.linear(tmp_path, np.eye(2))), quiet=0.1) as device:
        began = time.monotonic()
        await device.server.drain(PATIENCE_SECONDS)
        assert time.monotonic() - began >= 0.1


async def test_a_drain_does_not_wait_longer_than_its_grace(tmp_path: Path) -> None:
    """Requests never stop here: only the end of the grace period ends it."""
    async with running(served(tinyonnx.linear(tmp_path, np.eye(2))), quiet=600.0) as device:
        await asyncio.wait_for(device.server.drain(0.2), PATIENCE_SECONDS)
