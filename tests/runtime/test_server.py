"""Under load: nothing is lost in a swap or in a drain, and what is too much is refused at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np

from edgewise.contract.plan import PlanServing
from tests.runtime import tinyonnx
from tests.runtime.agent.waiting import until
from tests.runtime.serving import Running, numbers, ones, running, served

LONG, SHORT = 8000, 1  # rounds of the busy model: about half a second, and next to nothing


def rounds(number: int) -> dict[str, object]:
    return {"inputs": [numbers("rounds", np.array([number]), "INT64")]}


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


async def test_a_model_in_use_outlives_its_replacement(tmp_path: Path) -> None:
    async with running(served(tinyonnx.busy(tmp_path), version="1"), workers=1) as device:
        slow = asyncio.ensure_future(device.infer("busy", rounds(LONG)))
        await until(lambda: device.server.plane.dispatch.running, "it runs")
        device.models.replace({"busy": served(tmp_path / "busy.onnx", version="2")}, "r2")
        status, answer = await slow
        assert (status, answer["model_version"]) == (200, "1")


async def test_overload_is_refused_at_once_with_when_to_come_back(tmp_path: Path) -> None:
    async with running(served(tinyonnx.busy(tmp_path)), workers=1) as device:
        device.server.configure(PlanServing(max_queue=1), None)
        accepted = [asyncio.ensure_future(device.infer("busy", rounds(LONG))) for _ in range(2)]
        await until(lambda: device.server.plane.dispatch.waiting, "one waits")
        async with device.http.post("/v2/models/busy/infer", json=rounds(SHORT)) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
            assert "waiting on this device" in (await answer.json())["error"]
        assert not accepted[0].done()
        assert [status for status, _ in await asyncio.gather(*accepted)] == [200, 200]


async def test_health_is_prompt_while_a_model_computes(tmp_path: Path) -> None:
    async with running(served(tinyonnx.busy(tmp_path)), workers=1) as device:
        slow = asyncio.ensure_future(device.infer("busy", rounds(LONG)))
        await until(lambda: device.server.plane.dispatch.running, "it runs")
        async with device.http.get("/v2/health/live") as answer:
            assert answer.status == 200
        assert not slow.done()
        await slow


async def test_a_client_that_goes_away_gives_its_place_in_the_queue_back(tmp_path: Path) -> None:
    async with running(served(tinyonnx.busy(tmp_path)), workers=1, max_queue=1) as device:
        dispatch = device.server.plane.dispatch
        slow = asyncio.ensure_future(device.infer("busy", rounds(LONG)))
        await until(lambda: dispatch.running, "it runs")
        gone = asyncio.ensure_future(device.infer("busy", rounds(SHORT)))
        await until(lambda: dispatch.waiting, "one waits")
        gone.cancel()
        await until(lambda: not dispatch.waiting, "its place is free")
        assert not slow.done()
        await slow


async def test_a_draining_server_answers_on_and_sends_clients_elsewhere(tmp_path: Path) -> None:
    body = {"inputs": [numbers("x", ones(1, 2))]}
    async with running(served(tinyonnx.linear(tmp_path, np.eye(2))), quiet=0.3) as device:
        draining = asyncio.ensure_future(device.server.drain(20.0))
        await until(lambda: device.server.plane.draining, "it drains")
        async with device.http.get("/v2/health/ready") as answer:
            assert answer.status == 503
        for _ in range(5):
            async with device.http.post("/v2/models/linear/infer", json=body) as answer:
                assert answer.status == 200
                assert answer.headers["Connection"] == "close"
        await draining


async def test_a_drain_waits_for_what_is_in_flight(tmp_path: Path) -> None:
    async with running(served(tinyonnx.busy(tmp_path)), workers=1) as device:
        slow = asyncio.ensure_future(device.infer("busy", rounds(LONG)))
        await until(lambda: device.server.plane.dispatch.running, "it runs")
        await device.server.drain(20.0)
        assert (await slow)[0] == 200


async def test_a_drain_does_not_wait_longer_than_its_grace(tmp_path: Path) -> None:
    """Requests never stop here: only the end of the grace period ends it."""
    async with running(served(tinyonnx.linear(tmp_path, np.eye(2))), quiet=60.0) as device:
        await asyncio.wait_for(device.server.drain(0.2), 10.0)
