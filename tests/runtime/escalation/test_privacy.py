"""Nothing of a private request leaves the device: there is somebody who listens, and a spool that would keep it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2 as pb

from edgewise.contract.plan import PLAN_KEY, Plan, PlanEscalation, PlanServing
from edgewise.core.deployment import decide
from edgewise_runtime.spool.example import Example
from tests.runtime import tinyonnx
from tests.runtime.agent.waiting import until
from tests.runtime.faults import Link
from tests.runtime.grpcclient import asking, raw
from tests.runtime.helped import HARD, plan, weak_device
from tests.runtime.serving import Running, numbers, running, served
from tests.runtime.sessions import Gated, model
from tests.unit.core import builders
from tests.unit.core.builders import NOW, deployment, node, observed, profile

HARD_ROWS = np.array(HARD, np.float32)


@dataclass
class Kept:
    """A spool's place."""

    examples: list[Example] = field(default_factory=list)

    def offer(self, example: Example) -> None:
        self.examples.append(example)


async def over_http(device: Running, model: str, wish: dict[str, str]) -> str:
    """Who answered; or the status of the refusal."""
    body = {"inputs": [numbers("x", HARD_ROWS)], "parameters": wish}
    status, answer = await device.infer(model, body)
    return str(answer["parameters"]["edgewise_source"]) if status == 200 else str(status)


STATUSES = {
    grpc.StatusCode.INVALID_ARGUMENT: "400",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "429",
    grpc.StatusCode.UNAVAILABLE: "503",
}


async def over_grpc(device: Running, model: str, wish: dict[str, str]) -> str:
    parameters = {key: pb.InferParameter(string_param=value) for key, value in wish.items()}
    async with asking(device) as stub:
        try:
            answer = await stub.ModelInfer(raw(HARD_ROWS, model, parameters=parameters))
        except grpc.aio.AioRpcError as error:
            return STATUSES[error.code()]
    return str(answer.parameters["edgewise_source"].string_param)


Ask = Callable[[Running, str, dict[str, str]], Awaitable[str]]
WAYS: dict[str, Ask] = {"HTTP": over_http, "gRPC": over_grpc}


@contextlib.asynccontextmanager
async def unsure(folder: Path) -> AsyncIterator[Running]:
    async with weak_device(folder) as device:
        yield device


@contextlib.asynccontextmanager
async def without_a_model(_folder: Path) -> AsyncIterator[Running]:
    async with running() as device:
        yield device


@contextlib.asynccontextmanager
async def overloaded(folder: Path) -> AsyncIterator[Running]:
    """One request runs, one waits, and no more may."""
    busy, body = Gated(), {"inputs": [numbers("x", np.ones(1, np.float32))]}
    weak = served(tinyonnx.linear(folder, np.eye(2), "new"), "digits")  # not yet known to be quick
    async with running(model(busy, "busy"), weak, workers=1) as device:
        device.server.configure(PlanServing(max_queue=1), None)
        working = [asyncio.ensure_future(device.infer("busy", body)) for _ in range(2)]
        await until(lambda: device.server.plane.dispatch.waiting, "one waits")
        try:
            yield device
        finally:
            busy.gate.set()
            await asyncio.gather(*working)


Situation = Callable[[Path], contextlib.AbstractAsyncContextManager[Running]]
SITUATIONS: dict[str, tuple[Situation, str]] = {  # and what a private client gets
    "an unsure answer": (unsure, "device"),
    "no model": (without_a_model, "503"),
    "a full queue": (overloaded, "429"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("situation", SITUATIONS)
async def test_a_private_request_stays_whatever_the_plan_says(
    situation: str, way: str, folder: Path, cloud: Link
) -> None:
    make, expected = SITUATIONS[situation]
    spool, ask = Kept(), WAYS[way]
    async with make(folder) as device:
        serving = PlanServing(max_queue=1) if situation == "a full queue" else None
        device.server.configure(serving, plan(cloud.url))
        device.server.plane.spool = spool
        assert await ask(device, "digits", {"edgewise_privacy": "never"}) == expected
        assert (cloud.connections, spool.examples) == (0, [])
        assert await ask(device, "digits", {"edgewise_privacy": "allow"}) == "target:t0"
        assert cloud.connections == 1


@pytest.mark.parametrize("way", WAYS)
async def test_a_wish_that_cannot_be_understood_is_refused_not_ignored(way: str, folder: Path, cloud: Link) -> None:
    async with unsure(folder) as device:
        device.server.configure(None, plan(cloud.url))
        assert await WAYS[way](device, "digits", {"edgewise_privacy": "Never"}) == "400"
        assert cloud.connections == 0


def planned(privacy: str, url: str) -> PlanEscalation | None:
    """What the operator tells the devices of a deployment that names a target and a sink."""
    wish = {
        "targets": [{"name": "cloud", "url": url, "model": "strong"}],
        "when": {"confidenceBelow": "0.85"},
        "timeout": "1m",
        "spool": {"sink": url},
        "privacy": privacy,
    }
    box, small = profile("generic-amd64"), builders.model(task="Classification", confidence={"output": "logits"})
    seen = observed(deployment(escalation=wish), profiles=(box,), nodes=(node("one", "generic-amd64"),), models=[small])
    (made,) = [child for child in decide(seen, NOW).apply if child["kind"] == "ConfigMap"]
    return Plan.model_validate_json(made["data"][PLAN_KEY]).escalation


async def test_nothing_leaves_a_deployment_that_forbids_it(folder: Path, cloud: Link) -> None:
    async with unsure(folder) as device:
        device.server.configure(None, planned("Never", cloud.url))
        assert await over_http(device, "digits", {}) == "device"
        assert await over_http(device, "digits", {"edgewise_privacy": "allow"}) == "device"
        assert cloud.connections == 0
        device.server.configure(None, planned("Allow", cloud.url))
        assert await over_http(device, "digits", {}) == "target:cloud"


async def test_what_leaves_says_nothing_of_the_client(folder: Path) -> None:
    """Neither its id nor its parameters."""
    heard: list[dict[str, Any]] = []
    async with weak_device(folder) as cloud, weak_device(folder) as device:
        _listen(cloud, heard)
        device.server.configure(None, plan(f"http://{cloud.address}", model="digits"))
        body = {"inputs": [numbers("x", HARD_ROWS)], "id": "patient 17", "parameters": {"ward": "B"}}
        await device.infer("digits", body)
    (left,) = heard
    assert left["id"] != "patient 17"
    assert left["parameters"] == {}


def _listen(device: Running, heard: list[dict[str, Any]]) -> None:
    """Writes down what comes in."""
    plane = device.server.plane
    infer_now = plane.infer_now

    def noted(request: Any, hops: int = 0) -> Any:
        heard.append({"id": request.id, "parameters": dict(request.parameters)})
        return infer_now(request, hops)

    plane.infer_now = noted  # type: ignore[method-assign]
