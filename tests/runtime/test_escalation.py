"""A weak model on the device, a strong one in another process, and a link between them that breaks in every way.

The device answers [1, 0] with confidence 0.52 and [100, 0] with 1.0; the cloud answers both with 1.0.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewise.api.edgemodel import Confidence
from edgewise.api.escalation import Budget, EscalationWhen
from edgewise.contract.plan import PlanEscalation, PlanServing, PlanTarget
from edgewise_runtime.escalation.breaker import FAILURES
from tests.runtime import tinyonnx
from tests.runtime.agent.waiting import until
from tests.runtime.faults import Fault, Link, link
from tests.runtime.processes import serving
from tests.runtime.serving import Running, numbers, running, served

HARD, EASY = [[1.0, 0.0]], [[100.0, 0.0]]
LOGITS = Confidence(output="logits")
RESULTS = (
    "answered", "worse", "timeout", "unreachable", "refused", "invalid", "unsupported", "open", "budget", "late",
    "busy", "hops",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture
async def cloud(folder: Path) -> AsyncIterator[Link]:
    async with serving(tinyonnx.linear(folder, np.eye(2) * 20, "strong")) as strong, link(strong.port) as road:
        yield road


@pytest.fixture
async def device(folder: Path) -> AsyncIterator[Running]:
    weak = served(tinyonnx.linear(folder, np.eye(2) / 10, "weak"), "digits", "2.1.0", LOGITS)
    async with running(weak) as device:
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
    assert device.models.counters()["r1"].escalated == 1
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


FAULTS: dict[Fault, str] = {"reset": "unreachable", "blackhole": "timeout", "cut": "unreachable", "garbage": "invalid"}


@pytest.mark.parametrize("fault", FAULTS)
async def test_whatever_happens_to_the_link_the_local_answer_stands(fault: Fault, device: Running, cloud: Link) -> None:
    cloud.fault = fault
    device.server.configure(None, plan(cloud.url, timeout_seconds=0.3))
    body = await ask(device, HARD)
    assert (source(body), body["outputs"][0]["data"]) == ("device", pytest.approx([0.1, 0.0]))
    assert await result(device) == [FAULTS[fault]]


async def test_a_dead_cloud_is_asked_no_more_and_is_found_when_it_is_back(device: Running, cloud: Link) -> None:
    cloud.fault = "reset"
    device.server.configure(None, plan(cloud.url))
    for _ in range(FAILURES + 5):
        assert source(await ask(device, HARD)) == "device"
    assert cloud.connections == FAILURES
    assert await device.metric('edgewise_breaker_state{target="t0"}') == 2
    cloud.fault = ""
    breaker = device.server.plane.escalator.breakers[cloud.url]  # type: ignore[union-attr]
    breaker._retry_at = 0.0
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
        ["unsupported"],
        ["answered"],
    ]


async def test_all_targets_share_one_deadline(device: Running, cloud: Link) -> None:
    cloud.fault = "blackhole"
    async with link(cloud.target) as fine:
        device.server.configure(None, plan(cloud.url, fine.url, timeout_seconds=0.2))
        assert source(await ask(device, HARD)) == "device"
        assert fine.connections == 0
    assert await result(device, "t1") == ["late"]


async def test_a_less_sure_answer_is_no_help(folder: Path, device: Running) -> None:
    async with serving(tinyonnx.linear(folder, np.eye(2) / 50, "weaker")) as weaker:
        device.server.configure(None, plan(weaker.url, model="weaker"))
        assert source(await ask(device, HARD)) == "device"
    assert await result(device) == ["worse"]


UNFIT: dict[str, tuple[Callable[[Path], Path], str]] = {
    "other outputs": (tinyonnx.subtract, "refused"),
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
    assert await result(device) == ["answered", "budget"]


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


async def test_an_overloaded_device_asks_where_it_may(folder: Path) -> None:
    path = tinyonnx.busy(folder)
    slow, short = ({"inputs": [numbers("rounds", np.array([number]), "INT64")]} for number in (8000, 1))
    async with serving(path) as other, running(served(path), workers=1) as device:
        for overloaded, expected in ((True, 200), (False, 429)):
            when = EscalationWhen(overloaded=overloaded)
            device.server.configure(PlanServing(max_queue=1), plan(other.url, model="busy", when=when))
            accepted = [asyncio.ensure_future(device.infer("busy", slow)) for _ in range(2)]
            await until(lambda: device.server.plane.dispatch.waiting, "one waits")
            status, body = await device.infer("busy", short)
            assert status == expected
            assert overloaded == ("outputs" in body and source(body) == "target:t0")
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
        total = one.models.counters()["r1"].requests + two.models.counters()["r1"].requests
        assert total == 4
        assert await result(two, "") == ["hops"]
