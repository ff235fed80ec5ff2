"""A weak model on the device, a strong one in another process, and a link between them that breaks in every way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgewise.api.escalation import Budget, EscalationWhen
from edgewise.contract.plan import PlanServing
from edgewise_runtime.escalation.breaker import FAILURES, State
from tests.runtime import tinyonnx
from tests.runtime.agent.waiting import until
from tests.runtime.faults import Fault, Link, link
from tests.runtime.helped import (
    EASY,
    HARD,
    LOGITS,
    ask,
    escalator,
    plan,
    result,
    settled,
    source,
    waited,
)
from tests.runtime.processes import serving
from tests.runtime.serving import Running, numbers, running, served
from tests.runtime.sessions import Gated, model


async def test_a_sure_answer_stays_at_home(device: Running, cloud: Link) -> None:
    device.server.configure(None, plan(cloud.url))
    assert source(await ask(device, EASY)) == "device"
    assert cloud.connections == 0


async def test_an_unsure_answer_is_replaced_by_the_clouds(device: Running, cloud: Link) -> None:
    device.server.configure(None, plan(cloud.url))
    body = await ask(device, HARD, id="r1")
    assert body["parameters"] == {"edgewise_source": "target:t0", "edgewise_confidence": pytest.approx(1.0)}
    assert (body["model_name"], body["model_version"], body["id"]) == ("digits", "1", "r1")
    assert body["outputs"][0]["data"] == [20.0, 0.0]
    assert device.models.tallies.of("r1").escalated == 1
    assert await result(device) == ["answered"]


async def test_only_the_outputs_the_client_wanted_are_returned(device: Running, cloud: Link) -> None:
    device.server.configure(None, plan(cloud.url))
    body = await ask(device, HARD, outputs=[{"name": "twice"}])
    assert (source(body), [output["name"] for output in body["outputs"]]) == ("target:t0", ["twice"])


async def test_one_unsure_row_takes_the_whole_batch_along(device: Running, cloud: Link) -> None:
    device.server.configure(None, plan(cloud.url))
    assert source(await ask(device, EASY + EASY)) == "device"
    body = await ask(device, EASY + HARD)
    assert (source(body), body["outputs"][0]["data"]) == ("target:t0", [2000.0, 0.0, 20.0, 0.0])


async def test_a_private_request_never_leaves(device: Running, cloud: Link) -> None:
    device.server.configure(None, plan(cloud.url))
    body = await ask(device, HARD, parameters={"edgewise_privacy": "never"})
    assert (source(body), body["parameters"]["edgewise_confidence"]) == ("device", pytest.approx(0.525, abs=0.001))
    assert cloud.connections == 0


async def test_without_a_plan_for_it_nothing_leaves(device: Running, cloud: Link) -> None:
    device.server.configure(None, plan(cloud.url))
    device.server.configure(None, None)
    assert source(await ask(device, HARD)) == "device"
    assert cloud.connections == 0


FAULTS: dict[Fault, tuple[str, float]] = {  # and for how many seconds the plan has it wait
    "reset": ("unreachable", 30.0),
    "blackhole": ("timeout", 0.3),
    "cut": ("unreachable", 30.0),
    "garbage": ("invalid", 30.0),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_whatever_happens_to_the_link_the_local_answer_stands(fault: Fault, device: Running, cloud: Link) -> None:
    expected, patience = FAULTS[fault]
    cloud.fault = fault
    device.server.configure(None, plan(cloud.url, timeout_seconds=patience))
    body = await ask(device, HARD)
    assert (source(body), body["outputs"][0]["data"]) == ("device", pytest.approx([0.1, 0.0]))
    await settled(device)
    assert await result(device) == [expected]


async def test_a_dead_cloud_is_asked_no_more_and_is_found_when_it_is_back(device: Running, cloud: Link) -> None:
    cloud.fault = "reset"
    device.server.configure(None, plan(cloud.url))
    for _ in range(FAILURES + 5):
        assert source(await ask(device, HARD)) == "device"
    assert cloud.connections == FAILURES
    assert await device.metric('edgewise_breaker_state{target="t0"}') == 2
    cloud.fault = ""
    waited(device)
    assert source(await ask(device, HARD)) == "device"  # no client waits for a probe
    await until(lambda: escalator(device).breakers["t0"] == State.CLOSED, "the probe is answered")
    assert source(await ask(device, HARD)) == "target:t0"
    assert await device.metric('edgewise_breaker_state{target="t0"}') == 0


async def test_a_new_plan_keeps_what_was_learnt_of_a_target(device: Running, cloud: Link) -> None:
    cloud.fault = "reset"
    device.server.configure(None, plan(cloud.url))
    for _ in range(FAILURES):
        await ask(device, HARD)
    device.server.configure(None, plan(cloud.url, timeout_seconds=1.0))
    await ask(device, HARD)
    assert cloud.connections == FAILURES


async def test_the_next_target_is_asked_when_the_first_does_not_help(device: Running, cloud: Link) -> None:
    async with link(cloud.target) as broken:
        broken.fault = "reset"
        device.server.configure(None, plan(broken.url, "grpc://127.0.0.1:1", cloud.url))
        assert source(await ask(device, HARD)) == "target:t2"
    assert [await result(device, target) for target in ("t0", "t1", "t2")] == [
        ["unreachable"],
        ["unreachable"],
        ["answered"],
    ]


async def test_all_targets_share_one_deadline(device: Running, cloud: Link) -> None:
    cloud.fault = "blackhole"
    async with link(cloud.target) as fine:
        device.server.configure(None, plan(cloud.url, fine.url, timeout_seconds=0.2))
        assert source(await ask(device, HARD)) == "device"
        await settled(device)
        assert fine.connections == 0
    assert await result(device, "t1") == ["late"]


async def test_a_target_that_is_more_modest_than_the_device_is_believed(folder: Path, device: Running) -> None:
    """Confidences of two models can be compared only where both were calibrated."""
    async with serving(tinyonnx.linear(folder, np.eye(2) / 50, "modest")) as modest:
        device.server.configure(None, plan(modest.url, model="modest"))
        body = await ask(device, HARD)
    assert body["parameters"] == {
        "edgewise_source": "target:t0",
        "edgewise_confidence": pytest.approx(0.505, abs=0.001),
    }


UNFIT: dict[str, tuple[Callable[[Path], Path], str]] = {
    "other outputs": (tinyonnx.subtract, "rejected"),
    "numbers that are not finite": (lambda folder: tinyonnx.linear(folder, np.eye(2) * np.nan, "nan"), "invalid"),
    "another number of classes": (lambda folder: tinyonnx.linear(folder, np.ones((2, 3)), "three"), "invalid"),
}


@pytest.mark.parametrize("case", UNFIT)
async def test_an_answer_that_does_not_fit_is_no_help(case: str, folder: Path, device: Running) -> None:
    make, expected = UNFIT[case]
    path = make(folder)
    async with serving(path) as other:
        device.server.configure(None, plan(other.url, model=path.stem))
        assert source(await ask(device, HARD)) == "device"
    assert await result(device) == [expected]


async def test_a_spent_budget_keeps_the_answers_at_home(device: Running, cloud: Link) -> None:
    device.server.configure(None, plan(cloud.url, budget=Budget(requests_per_minute=2)))
    answers = [source(await ask(device, HARD)) for _ in range(4)]
    assert answers == ["target:t0", "target:t0", "device", "device"]
    assert (await result(device), await result(device, "")) == (["answered"], ["budget"])


async def test_a_device_without_a_model_asks_where_it_may(cloud: Link) -> None:
    async with running() as device:
        device.server.configure(None, plan(cloud.url))
        assert source(await ask(device, HARD)) == "target:t0"
        device.server.configure(None, plan(cloud.url, when=EscalationWhen(unavailable=False)))
        status, _ = await device.infer("digits", {"inputs": [numbers("x", np.array(HARD))]})
        assert status == 503


async def test_a_model_that_fails_asks_where_it_may(folder: Path, cloud: Link) -> None:
    async with (
        serving(tinyonnx.echo(folder, "FP32", ["n"])) as other,
        running(served(tinyonnx.picky(folder))) as device,
    ):
        body = {"inputs": [numbers("x", np.ones(5, np.float32))]}
        device.server.configure(None, plan(other.url, model="echo-FP32", when=EscalationWhen(unavailable=True)))
        status, answer = await device.infer("picky", body)
        assert (status, answer["error"][:12]) == (500, "picky failed")  # the other's y has another shape than ours
        assert await result(device) == ["invalid"]


async def test_an_overloaded_device_asks_where_it_may(session: Gated, folder: Path) -> None:
    body = {"inputs": [numbers("x", np.ones(1, np.float32))]}
    async with (
        serving(tinyonnx.echo(folder, "FP32", ["n"])) as other,
        running(model(session, "busy"), workers=1) as device,
    ):
        device.server.configure(PlanServing(max_queue=1), None)
        accepted = [asyncio.ensure_future(device.infer("busy", body)) for _ in range(2)]
        await until(lambda: device.server.plane.dispatch.waiting, "one waits")
        for overloaded, expected in ((True, 200), (False, 429)):
            when = EscalationWhen(overloaded=overloaded)
            device.server.configure(PlanServing(max_queue=1), plan(other.url, model="echo-FP32", when=when))
            status, answer = await device.infer("busy", body)
            assert status == expected
            assert overloaded == ("outputs" in answer and source(answer) == "target:t0")
        session.gate.set()
        assert [status for status, _ in await asyncio.gather(*accepted)] == [200, 200]


async def test_two_devices_that_name_each_other_do_not_play_ping_pong(folder: Path) -> None:
    weak = tinyonnx.linear(folder, np.eye(2) / 10, "weak")
    async with (
        running(served(weak, "digits", confidence=LOGITS)) as one,
        running(served(weak, "digits", confidence=LOGITS)) as two,
    ):
        one.server.configure(None, plan(f"http://{two.address}", model=""))
        two.server.configure(None, plan(f"http://{one.address}", model=""))
        await ask(one, HARD)
        total = sum(device.models.tallies.of("r1").requests for device in (one, two))
        assert total == 4
        assert await result(two, "") == ["hops"]
