"""The protocol on real sockets, asked by the clients people have."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from edgewise_runtime.engines.base import Array, EngineOptions
from edgewise_runtime.engines.onnx import OnnxSession
from edgewise_runtime.http.connection import Connection
from edgewise_runtime.models import ServedModel
from edgewise_runtime.tuning.choice import Choice
from tests.runtime import tinyonnx
from tests.runtime.agent.waiting import until
from tests.runtime.raw import connected, post
from tests.runtime.serving import Device, Running, numbers, ones, running

LINEAR = "/v2/models/linear/infer"
SIZE = "Inference-Header-Content-Length"
GOOD = json.dumps({"inputs": [numbers("x", ones(1, 2))]}).encode()


@pytest.mark.protocol
async def test_health_says_it_in_status_and_in_json(device: Device) -> None:
    for path, body in {"/v2/health/live": {"live": True}, "/v2/health/ready": {"ready": True}}.items():
        async with device.http.get(path) as answer:
            assert (answer.status, await answer.json()) == (200, body)


async def test_before_the_first_model_it_lives_but_is_not_ready() -> None:
    async with running() as device:
        async with device.http.get("/v2/health/live") as answer:
            assert answer.status == 200
        for path in ("/v2/health/ready", "/v2/models/linear/ready"):
            async with device.http.get(path) as answer:
                assert answer.status == 503
                assert (await answer.json())["ready"] is False
        status, body = await device.infer("linear", {"inputs": [numbers("x", ones(1, 2))]})
        assert (status, body) == (503, {"error": "no model is loaded yet; try again soon"})


@pytest.mark.protocol
async def test_metadata(device: Device) -> None:
    async with device.http.get("/v2") as answer:
        server = await answer.json()
        assert server["name"] == "edgewise"
        assert server["extensions"] == ["binary_tensor_data", "model_configuration", "statistics", "model_repository"]
    async with device.http.get("/v2/models") as answer:
        assert await answer.json() == {"models": ["echo", "linear", "picky", "subtract"]}
    for path in ("/v2/models/linear", "/v2/models/linear/versions/2.1.0"):
        async with device.http.get(path) as answer:
            assert await answer.json() == {
                "name": "linear",
                "versions": ["2.1.0"],
                "platform": "onnx_onnxv1",
                "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}],
                "outputs": [
                    {"name": "logits", "datatype": "FP32", "shape": [-1, 2]},
                    {"name": "twice", "datatype": "FP32", "shape": [-1, 2]},
                ],
            }


@pytest.mark.protocol
async def test_a_json_request_is_answered_in_json_with_who_answered_and_how_sure(device: Device) -> None:
    body = {"id": "r7", "inputs": [numbers("x", ones(1, 2))], "outputs": [{"name": "twice"}]}
    status, answer = await device.infer("linear/versions/2.1.0", body)
    assert status == 200
    assert answer.pop("parameters") == {"edgewise_source": "device", "edgewise_confidence": pytest.approx(0.5)}
    assert answer == {
        "model_name": "linear",
        "model_version": "2.1.0",
        "id": "r7",
        "outputs": [{"name": "twice", "datatype": "FP32", "shape": [1, 2], "data": [4.0, 4.0]}],
    }


@pytest.mark.protocol
async def test_a_raw_request_is_answered_in_binary(device: Device) -> None:
    async with device.http.post(LINEAR, data=ones(1, 2).tobytes(), headers={SIZE: "0"}) as answer:
        body, json_size = await answer.read(), int(answer.headers[SIZE])
    sizes = [output["parameters"]["binary_data_size"] for output in json.loads(body[:json_size])["outputs"]]
    assert sizes == [8, 8]
    assert np.frombuffer(body[json_size:], np.float32).tolist() == [2, 2, 4, 4]


async def test_a_model_that_fails_is_an_error_of_ours_and_disturbs_nobody(device: Running) -> None:
    status, body = await device.infer("picky", {"inputs": [numbers("x", np.ones(5, np.float32))]})
    assert (status, "picky failed on this request" in body["error"]) == (500, True)
    status, _ = await device.infer("picky", {"inputs": [numbers("x", np.ones(6, np.float32))]})
    assert status == 200
    assert device.models.tallies.of("r1").failures == 1


MEASURED = Choice(latency=0.00001, size=ones(1, 2).nbytes)


class WhereItRan(OnnxSession):
    """Remembers the thread of each run."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, EngineOptions())
        self.threads: list[str] = []

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        self.threads.append(threading.current_thread().name)
        return super().run(feeds, outputs)


async def test_a_model_known_to_be_quick_runs_on_the_event_loop(tmp_path: Path) -> None:
    unknown, quick = (WhereItRan(tinyonnx.linear(tmp_path, np.eye(2))) for _ in range(2))
    models = ServedModel("unknown", "1", "test", unknown), ServedModel("quick", "1", "test", quick, choice=MEASURED)
    async with running(*models) as device:
        outputs = [(await device.infer(model.name, json.loads(GOOD)))[1]["outputs"] for model in models]
    assert outputs[0] == outputs[1]
    assert unknown.threads[0] != "MainThread"
    assert quick.threads == ["MainThread"]


async def test_models_that_are_served_no_more_leave_the_metrics(device: Running) -> None:
    total = 'edgewise_requests_total{model="linear",outcome="ok",source="device",version="2.1.0"}'
    await device.infer("linear", json.loads(GOOD))
    assert await device.metric(total) == 1
    device.models.replace({"subtract": device.models.find("subtract")}, "r2")
    assert await device.metric("edgewise_ready") == 1
    assert await device.metric(total) == 0


async def test_a_refusal_that_is_remembered_keeps_no_connection_alive() -> None:
    def connections() -> set[int]:
        gc.collect()
        return {id(each) for each in gc.get_objects() if type(each) is Connection}

    before = connections()
    async with running() as device:
        async with connected(device.address) as raw:
            assert (await raw.ask(post(path="/v2/nothing"))).status == 404
        await until(lambda: connections() <= before, "the connection is forgotten")


async def test_requests_are_counted_by_outcome_and_source(device: Running) -> None:
    await device.infer("linear", json.loads(GOOD))
    await device.infer("linear", {"inputs": []})
    await device.infer("linear", {"inputs": [numbers("z", ones(1, 2))]})
    await device.infer("invented-name", json.loads(GOOD))
    total = 'edgewise_requests_total{{model="{}",outcome="{}",source="{}",version="{}"}}'
    assert await device.metric(total.format("linear", "ok", "device", "2.1.0")) == 1
    assert await device.metric(total.format("linear", "refused", "device", "2.1.0")) == 1
    assert await device.metric(total.format("", "refused", "", "")) == 1
    assert await device.metric(total.format("", "refused", "device", "")) == 1
    assert await device.metric('edgewise_request_duration_seconds_count{model="linear",version="2.1.0"}') == 2
    assert await device.metric('edgewise_release_info{release="r1"}') == 1
    model = 'model="linear",platform="onnx_onnxv1",provider="CPUExecutionProvider",variant="test",version="2.1.0"'
    assert await device.metric(f"edgewise_model_info{{{model}}}") == 1
    assert await device.metric("edgewise_process_resident_memory_bytes") > 2**20


async def test_no_series_says_when_counting_began(device: Running) -> None:
    await device.infer("linear", json.loads(GOOD))
    async with device.http.get(f"http://127.0.0.1:{device.server.metrics_port}/metrics") as answer:
        series = {line.partition("{")[0] for line in (await answer.text()).splitlines()}
    assert {"edgewise_requests_total", "edgewise_request_duration_seconds_count"} <= series
    assert not [name for name in series if name.endswith("_created")]


async def test_a_poke_calls_the_hook_at_most_once_a_second(device: Running) -> None:
    pokes: list[str] = []
    device.server.on_poke = lambda: pokes.append("poke")
    url = f"http://127.0.0.1:{device.server.metrics_port}"
    statuses = []
    for body in (b"", b"", b"now"):
        async with device.http.post(f"{url}/poke", data=body) as answer:
            statuses.append(answer.status)
    assert (statuses, pokes) == ([202, 429, 400], ["poke"])
    async with device.http.get(f"{url}/healthz") as answer:
        assert answer.status == 200


async def test_the_metrics_port_tells_a_kubelet_whether_it_is_ready(device: Running) -> None:
    """A pod that ends is, as long as it answers: where there is no other, clients are sent to it."""
    url = f"http://127.0.0.1:{device.server.metrics_port}/readyz"
    for draining in (False, True):
        device.server.plane.draining = draining
        async with device.http.get(url) as answer:
            assert answer.status == 200


async def test_metrics_port_refuses_what_it_does_not_have(device: Running) -> None:
    url = f"http://127.0.0.1:{device.server.metrics_port}"
    for method, path, status in (("GET", "/v2", 404), ("POST", "/metrics", 405), ("GET", "/poke", 405)):
        async with device.http.request(method, url + path) as answer:
            assert answer.status == status
            assert "error" in await answer.json()


@pytest.mark.protocol
async def test_the_inference_port_has_neither_metrics_nor_poke(device: Device) -> None:
    for path in ("/metrics", "/poke", "/healthz"):
        async with device.http.post(path) as answer:
            assert answer.status == 404
