"""How long a client waits for help: as long as it was promised, whatever the targets do.

Plans here allow an hour where something else must end the wait: a test that waited for the plan would never end.
"""

from __future__ import annotations

import asyncio

import numpy as np
from tritonclient.grpc import service_pb2 as pb

from edgewise.contract.plan import PlanEscalation, PlanTarget
from edgewise_runtime.escalation.breaker import FAILURES, State
from edgewise_runtime.protocol.messages import InferRequest, InferResponse, Tensor
from tests.runtime.agent.waiting import until
from tests.runtime.faults import Link, link
from tests.runtime.grpcclient import asking, raw
from tests.runtime.helped import (
    EASY,
    HARD,
    ask,
    escalator,
    plan,
    result,
    settled,
    source,
    waited,
)
from tests.runtime.serving import Running

AN_HOUR = 3600.0
HARD_ROWS = np.array(HARD, np.float32)


def request(x: list[list[float]]) -> InferRequest:
    return InferRequest("digits", (Tensor("x", "FP32", np.array(x, np.float32)),))


async def test_the_clients_own_timeout_ends_the_wait(device: Running, cloud: Link) -> None:
    cloud.fault = "blackhole"
    device.server.configure(None, plan(cloud.url, timeout_seconds=AN_HOUR))
    assert source(await ask(device, HARD, parameters={"timeout": 200_000})) == "device"


async def test_the_clients_own_timeout_ends_the_wait_over_grpc(device: Running, cloud: Link) -> None:
    cloud.fault = "blackhole"
    device.server.configure(None, plan(cloud.url, timeout_seconds=AN_HOUR))
    async with asking(device) as stub:
        timeout = {"timeout": pb.InferParameter(int64_param=200_000)}
        answer = await stub.ModelInfer(raw(HARD_ROWS, "digits", parameters=timeout))
        assert answer.parameters["edgewise_source"].string_param == "device"


async def test_a_client_in_a_hurry_says_nothing_about_a_target(device: Running, cloud: Link) -> None:
    cloud.fault = "blackhole"
    device.server.configure(None, plan(cloud.url, timeout_seconds=2.0))
    for _ in range(FAILURES + 1):
        assert source(await ask(device, HARD, parameters={"timeout": 50_000})) == "device"
    await settled(device)
    assert escalator(device).breakers == {"t0": State.CLOSED}


async def test_a_target_that_has_used_up_its_own_time_leaves_the_rest_to_the_next(device: Running, cloud: Link) -> None:
    cloud.fault = "blackhole"
    async with link(cloud.target) as fine:
        targets = [
            PlanTarget(name="t0", url=cloud.url, model="strong", timeout_seconds=0.1),
            PlanTarget(name="t1", url=fine.url, model="strong"),
        ]
        changed: PlanEscalation = plan(timeout_seconds=AN_HOUR).model_copy(update={"targets": targets})
        device.server.configure(None, changed)
        assert source(await ask(device, HARD)) == "target:t1"
    assert (await result(device), await result(device, "t1")) == (["timeout"], ["answered"])


async def test_what_came_too_late_is_still_learnt(device: Running, cloud: Link) -> None:
    """The client has its answer; the question ends by itself, and opens the breaker."""
    cloud.fault = "blackhole"
    device.server.configure(None, plan(cloud.url, timeout_seconds=0.2))
    for _ in range(FAILURES):
        assert source(await ask(device, HARD)) == "device"
    await until(lambda: escalator(device).breakers == {"t0": State.OPEN}, "the breaker is open")
    assert await result(device) == ["timeout"]


async def test_no_client_waits_for_a_probe(device: Running, cloud: Link) -> None:
    cloud.fault = "reset"
    device.server.configure(None, plan(cloud.url))
    for _ in range(FAILURES):
        await ask(device, HARD)
    cloud.fault = "blackhole"
    device.server.configure(None, plan(cloud.url, timeout_seconds=AN_HOUR))
    waited(device)
    assert [source(await ask(device, HARD)) for _ in range(3)] == ["device"] * 3
    await until(lambda: cloud.connections > FAILURES, "the probe is under way")
    assert cloud.connections == FAILURES + 1
    assert escalator(device).breakers == {"t0": State.HALF_OPEN}


async def test_a_client_that_goes_away_takes_its_question_along(device: Running, cloud: Link) -> None:
    cloud.fault = "blackhole"
    device.server.configure(None, plan(cloud.url, timeout_seconds=AN_HOUR))
    asking_ = asyncio.ensure_future(device.server.plane.infer(request(HARD)))
    await until(lambda: cloud.connections, "the cloud is asked")
    asking_.cancel()
    await asyncio.wait({asking_})
    await until(lambda: not escalator(device)._experience.rounds, "the question is dropped")
    assert escalator(device).breakers == {"t0": State.CLOSED}


async def test_with_targets_a_quick_model_still_answers_at_once(device: Running, cloud: Link) -> None:
    device.server.configure(None, plan(cloud.url))
    plane = device.server.plane
    assert isinstance(plane.infer_now(request(EASY)), InferResponse)
    assert not isinstance(plane.infer_now(request(HARD)), InferResponse)
    assert cloud.connections == 0


async def test_with_the_breaker_open_a_quick_model_answers_everything_at_once(device: Running, cloud: Link) -> None:
    cloud.fault = "reset"
    device.server.configure(None, plan(cloud.url))
    for _ in range(FAILURES):
        await ask(device, HARD)
    answer = device.server.plane.infer_now(request(HARD))
    assert isinstance(answer, InferResponse)
    assert answer.parameters["edgewise_source"] == "device"
    assert await result(device) == ["unreachable", "open"]


async def test_a_doubtful_answer_is_not_computed_twice(device: Running, cloud: Link) -> None:
    device.server.configure(None, plan(cloud.url))
    assert source(await ask(device, HARD)) == "target:t0"
    assert device.server.plane.dispatch.statistics.of("digits", "2.1.0").runs == 1


async def test_a_plan_that_changes_while_a_target_is_asked_costs_no_answer(device: Running, cloud: Link) -> None:
    cloud.fault = "blackhole"
    async with link(cloud.target) as fine:
        device.server.configure(None, plan(cloud.url, timeout_seconds=2.0))
        waiting = asyncio.ensure_future(ask(device, HARD))
        await until(lambda: cloud.connections, "the cloud is asked")
        device.server.configure(None, plan(fine.url, timeout_seconds=AN_HOUR))
        assert source(await ask(device, HARD)) == "target:t0"
        assert source(await waiting) == "device"
        assert escalator(device).breakers == {"t0": State.CLOSED}
