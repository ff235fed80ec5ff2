"""The runtime as a gateway in front of a real Triton: what clients, probes and operators see of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc.aio as triton_grpc
import tritonclient.http.aio as triton_http

from edgewise.api.escalation import Budget, EscalationWhen
from edgewise.api.pipeline import PipelineStep
from edgewise.contract.plan import PlanRelease, ReleaseModel
from edgewise_runtime.escalation.targets import NoHelpError
from edgewise_runtime.gateway import scouting
from edgewise_runtime.gateway.scouting import proxied, wanted_models
from tests.bench.serving.processes import answers
from tests.cloud.road import road
from tests.cloud.triton import MODEL, Triton
from tests.cluster.ports import free_port
from tests.cluster.waiting import wait_for
from tests.runtime.agent.devices import mount
from tests.runtime.agent.documents import plan
from tests.runtime.agent.operators import operator
from tests.runtime.agent.waiting import until
from tests.runtime.faults import link
from tests.runtime.gateways import Gateway, document, standing
from tests.runtime.serving import numbers

IMAGES = np.random.default_rng(7).random((3, 1, 28, 28), np.float32)


@pytest.fixture(autouse=True)
def looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scouting, "LOOK_SECONDS", 0.05)


@pytest.fixture
async def stand_in(tmp_path: Path, triton: Triton) -> AsyncIterator[Gateway]:
    """Ready, with Triton's digits over HTTP."""
    async with standing(tmp_path, document(triton.url)) as made:
        await made.until_ready()
        yield made


def request() -> dict[str, Any]:
    return {"inputs": [numbers("image", IMAGES)]}


async def in_triton(triton: Triton) -> Any:
    """What Triton itself says to IMAGES."""
    async with triton_http.InferenceServerClient(triton.url.removeprefix("http://")) as client:
        return (await client.infer(MODEL, [tensor(triton_http)])).as_numpy("logits")


def tensor(client: Any) -> Any:
    made = client.InferInput("image", list(IMAGES.shape), "FP32")
    made.set_data_from_numpy(IMAGES)
    return made


async def test_a_request_is_answered_by_the_target_in_the_devices_name(stand_in: Gateway, triton: Triton) -> None:
    status, body = await stand_in.infer(MODEL, {**request(), "id": "mine"})
    assert (status, body["model_name"], body["id"]) == (200, MODEL, "mine")
    assert body["parameters"] == {"edgewise_source": "target:t0"}
    np.testing.assert_allclose(np.reshape(body["outputs"][0]["data"], (3, 10)), await in_triton(triton), rtol=1e-5)


async def test_neither_the_devices_budget_nor_their_patience_nor_their_doubts_bind_it(stand_in: Gateway) -> None:
    assert (stand_in.asks.budget, stand_in.asks.when) == (Budget(), EscalationWhen())
    assert stand_in.asks.timeout_seconds == 10
    for _ in range(10):
        assert (await stand_in.infer(MODEL, request()))[0] == 200


@pytest.mark.parametrize("far", ["http", "grpc"])
async def test_tritonclient_over_http_sees_a_whole_server(far: str, tmp_path: Path, triton: Triton) -> None:
    async with standing(tmp_path, document(triton.url if far == "http" else triton.grpc_url)) as made:
        await made.until_ready()
        async with triton_http.InferenceServerClient(made.address) as client:
            assert await client.is_server_ready()
            assert await client.is_model_ready(MODEL)
            metadata = await client.get_model_metadata(MODEL)
            assert metadata["versions"] == ["1.2.0"]
            assert metadata["inputs"] == [{"name": "image", "datatype": "FP32", "shape": [-1, 1, 28, 28]}]
            assert [entry["name"] for entry in await client.get_model_repository_index()] == [MODEL]
            answer = await client.infer(MODEL, [tensor(triton_http)], model_version="1.2.0")
            np.testing.assert_allclose(answer.as_numpy("logits"), await in_triton(triton), rtol=1e-5)


async def test_tritonclient_over_grpc_sees_a_whole_server(stand_in: Gateway, triton: Triton) -> None:
    async with triton_grpc.InferenceServerClient(stand_in.grpc_address) as client:
        assert await client.is_server_ready()
        assert await client.is_model_ready(MODEL)
        metadata = await client.get_model_metadata(MODEL, as_json=True)
        assert (metadata["versions"], metadata["outputs"][0]["name"]) == (["1.2.0"], "logits")
        answer = await client.infer(MODEL, [tensor(triton_grpc)])
        np.testing.assert_allclose(answer.as_numpy("logits"), await in_triton(triton), rtol=1e-5)


async def test_a_request_that_the_model_could_not_take_is_not_sent(stand_in: Gateway) -> None:
    status, body = await stand_in.infer(MODEL, {"inputs": [numbers("image", IMAGES[:, :, :5])]})
    assert (status, "the model takes shape [-1, 1, 28, 28]" in body["error"]) == (400, True)
    assert await stand_in.metric('edgewise_escalations_total{result="answered",target="t0"}') == 0


async def test_a_private_request_goes_nowhere(stand_in: Gateway) -> None:
    status, body = await stand_in.infer(MODEL, {**request(), "parameters": {"edgewise_privacy": "never"}})
    assert (status, "a gateway without models" in body["error"]) == (503, True)


async def test_a_model_that_nobody_serves_is_unknown(stand_in: Gateway) -> None:
    assert (await stand_in.infer("cats", request()))[0] == 404


async def test_the_next_target_answers_while_the_first_cannot(tmp_path: Path, triton: Triton) -> None:
    async with standing(tmp_path, document("http://127.0.0.1:1", triton.url)) as made:
        await made.until_ready()
        for _ in range(5):
            status, body = await made.infer(MODEL, request())
            assert (status, body["parameters"]["edgewise_source"]) == (200, "target:t1")


async def test_it_is_ready_from_the_moment_a_target_is(tmp_path: Path, triton: Triton) -> None:
    async with link(triton.http_port) as way:
        way.fault = "reset"
        async with standing(tmp_path, document(way.url)) as made:
            await until(lambda: way.connections > 2, "it has looked")
            await made.until_ready(False)
            assert (await made.infer(MODEL, request()))[0] == 503
            way.fault = ""
            await made.until_ready()


async def test_it_is_not_ready_once_every_target_is_gone_and_still_tries(tmp_path: Path, triton: Triton) -> None:
    async with contextlib.AsyncExitStack() as cloud:
        way = await cloud.enter_async_context(road(triton.http_port))
        async with standing(tmp_path, document(f"http://127.0.0.1:{way.port}")) as made:
            await made.until_ready()
            await cloud.aclose()
            await made.until_ready(False)
            assert (await made.infer(MODEL, request()))[0] == 503
            assert await made.metric('edgewise_escalations_total{result="unreachable",target="t0"}') == 1
            async with made.http.get(f"/v2/models/{MODEL}") as answer:
                assert answer.status == 200, "what it takes and gives is still known"


async def test_one_look_in_vain_is_no_outage(tmp_path: Path, triton: Triton, monkeypatch: pytest.MonkeyPatch) -> None:
    async with standing(tmp_path, document(triton.url)) as made:
        await made.until_ready()
        looked, interface = asyncio.Event(), made.server.targets.interface

        async def lost(*_: Any) -> Any:
            monkeypatch.setattr(made.server.targets, "interface", interface)
            looked.set()
            raise NoHelpError("timeout", "one packet was lost")

        monkeypatch.setattr(made.server.targets, "interface", lost)
        await looked.wait()
        for _ in range(20):
            assert made.models.ready
            await asyncio.sleep(0)


async def test_a_newer_plan_changes_whom_it_asks_without_a_pause(tmp_path: Path, triton: Triton) -> None:
    async with standing(tmp_path, document(triton.url)) as made:
        await made.until_ready()
        mount(tmp_path / "plan", document("http://127.0.0.1:1", triton.grpc_url, sequence=2))
        await until(lambda: made.models.current()[MODEL].session.provider == "target:t1", "the newer plan is followed")
        assert (await made.infer(MODEL, request()))[0] == 200


async def test_while_nothing_may_leave_it_asks_nobody(tmp_path: Path, triton: Triton) -> None:
    async with standing(tmp_path, document(triton.url)) as made:
        await made.until_ready()
        mount(tmp_path / "plan", document(triton.url, sequence=2, escalation=None))
        await made.until_ready(False)
        assert made.server.plane.escalator is None
        assert (await made.infer(MODEL, request()))[0] == 503


async def test_it_reports_as_nobodys_device_and_takes_a_newer_plan_from_the_reply(
    tmp_path: Path, triton: Triton
) -> None:
    async with operator(tmp_path) as told:
        told.plan = document(triton.url, sequence=2, reporting=told.reporting())
        async with standing(tmp_path, document("http://127.0.0.1:1", reporting=told.reporting())) as made:
            await made.until_ready()
        first = told.reports[0]
        assert (first.pod, first.profile, first.models, first.serving) == ("digits-gateway-1", "", [], None)


async def test_a_restart_finds_the_newest_plan_on_its_disk(tmp_path: Path, triton: Triton) -> None:
    async with standing(tmp_path, document(triton.url, sequence=2)) as made:
        await made.until_ready()
    mount(tmp_path / "plan", document("http://127.0.0.1:1", sequence=1))
    async with standing(tmp_path) as made:
        await made.until_ready()


async def test_the_command_is_a_gateway_until_it_is_told_to_stop(tmp_path: Path, triton: Triton) -> None:
    mount(tmp_path / "plan", document(triton.url))
    port, *others = (free_port() for _ in range(3))
    told = {"PLAN_FOLDER": tmp_path / "plan", "CACHE_FOLDER": tmp_path / "cache", "QUIET": 0, "HTTP_PORT": port}
    told |= dict(zip(("GRPC_PORT", "METRICS_PORT"), others, strict=True))
    environment = os.environ | {f"EDGEWISE_{name}": str(value) for name, value in told.items()}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "edgewise_runtime", "gateway", env=environment)
    try:
        await asyncio.to_thread(wait_for, "it is ready", partial(answers, port, "/v2/health/ready"))
        async with triton_http.InferenceServerClient(f"127.0.0.1:{port}") as client:
            answer = await client.infer(MODEL, [tensor(triton_http)])
            np.testing.assert_allclose(answer.as_numpy("logits"), await in_triton(triton), rtol=1e-5)
    finally:
        process.terminate()
        assert await process.wait() == 0


def test_versions_are_those_that_clients_know_and_a_pipeline_is_a_model() -> None:
    def release(name: str, version: str, *models: str, steps: list[PipelineStep]) -> PlanRelease:
        made = [ReleaseModel(name=model, version=version, task="Other", builds=[]) for model in models]
        return PlanRelease(name=name, models=made, pipeline=steps)

    step = PipelineStep.model_validate({"name": "find", "model": "finder"})
    old = release("old", "1.0.0", "finder", steps=[])
    new = release("new", "2.0.0", "finder", "reader", steps=[step])
    rolling_out = plan(1, old, new, stable="old")
    assert wanted_models(rolling_out) == {"finder": "1.0.0", "reader": "2.0.0", "digits": "new"}


def test_without_a_word_on_gateways_the_devices_patience_holds() -> None:
    assert proxied(None) is None
    asked = document("http://t:8000").escalation
    assert asked is not None
    alone = proxied(asked.model_copy(update={"gateway": None}))
    assert alone is not None
    assert alone.timeout_seconds == asked.timeout_seconds
