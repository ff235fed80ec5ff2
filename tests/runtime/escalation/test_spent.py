"""Requests that get no help: what the budget, the metrics and the spool make of them."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from edgewise.api.escalation import Budget, EscalationWhen
from edgewise_runtime.errors import OverloadedError, UnavailableError
from edgewise_runtime.escalation.breaker import FAILURES, State
from edgewise_runtime.spool.example import Example
from tests.runtime.faults import Link
from tests.runtime.helped import EASY, HARD, ask, escalator, plan, result, source
from tests.runtime.serving import Running, numbers, running


@dataclass
class Kept:
    """A spool's place."""

    examples: list[Example] = field(default_factory=list)

    def offer(self, example: Example) -> None:
        self.examples.append(example)

    @property
    def reasons(self) -> list[str]:
        return [example.reason for example in self.examples]


@pytest.fixture
def spool(device: Running) -> Kept:
    kept = device.server.plane.spool = Kept()
    return kept


BUDGET_LEFT = 'edgewise_escalation_budget_left{{limit="{}"}}'


async def test_threshold_and_budget_can_be_watched(device: Running, cloud: Link) -> None:
    budget = Budget(ratio="0.3", requests_per_minute=5, bytes_per_day="1M")
    device.server.configure(None, plan(cloud.url, budget=budget))
    assert await device.metric("edgewise_escalation_threshold") == 0.85
    assert source(await ask(device, HARD)) == "target:t0"
    assert await device.metric('edgewise_escalation_duration_seconds_count{target="t0"}') == 1
    left = {limit: await device.metric(BUDGET_LEFT.format(limit)) for limit in escalator(device).budget_left}
    assert (left["ratio"], left["requestsPerMinute"]) == (0.3 * 20 - 1, 4)
    assert 1_000_000 - 1000 < left["bytesPerDay"] < 1_000_000 - 100  # question and answer


async def test_a_budget_of_nothing_shows_as_a_threshold_that_nothing_is_below(device: Running, cloud: Link) -> None:
    device.server.configure(None, plan(cloud.url, budget=Budget(ratio="0")))
    assert source(await ask(device, HARD)) == "device"
    assert await device.metric("edgewise_escalation_threshold") == 0
    assert (cloud.connections, await result(device, "")) == (0, ["budget"])


async def test_a_binding_budget_is_for_the_least_sure(device: Running, cloud: Link) -> None:
    """Ten of a hundred requests are harder than the rest, a fifth may be asked about."""
    device.server.configure(None, plan(cloud.url, budget=Budget(ratio="0.2")))
    doubtful = [[2.0, 0.0]]
    for _ in range(50):
        await ask(device, doubtful)
    sources = [source(await ask(device, HARD if number % 10 == 0 else doubtful)) for number in range(100)]
    assert set(sources[::10]) == {"target:t0"}


BODIES: dict[str, tuple[dict[str, Any], bool]] = {
    "a target may take it": ({}, True),
    "nobody is asked about overload": ({"when": EscalationWhen(overloaded=False)}, False),
    "it is larger than what is left for today": ({"budget": Budget(bytes_per_day="500k")}, False),
    "no question is left for this minute": ({"budget": Budget(requests_per_minute=0)}, False),
}


@pytest.mark.parametrize("case", BODIES)
async def test_an_overloaded_device_takes_a_body_only_where_a_target_takes_it(
    case: str, device: Running, cloud: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overloaded(*_: object) -> None:
        raise OverloadedError("it is 2 s behind")

    changes, taken = BODIES[case]
    device.server.configure(None, plan(cloud.url, **changes))
    monkeypatch.setattr(device.server.plane.dispatch, "refuse_early", overloaded)
    with contextlib.nullcontext() if taken else pytest.raises(OverloadedError):
        device.server.plane.refuse_early("digits", "", 1_000_000)


async def test_without_a_model_a_body_is_taken_only_where_a_target_may_be_asked(cloud: Link) -> None:
    async with running() as device:
        device.server.configure(None, plan(cloud.url))
        device.server.plane.refuse_early("digits", "", 1_000_000)
        device.server.configure(None, plan(cloud.url, when=EscalationWhen(unavailable=False)))
        with pytest.raises(UnavailableError):
            device.server.plane.refuse_early("digits", "", 1_000_000)


async def test_a_targets_refusal_of_what_no_model_has_seen_says_nothing_about_the_target(cloud: Link) -> None:
    """Else one client with broken requests would take help away from all others."""
    async with running() as device:
        device.server.configure(None, plan(cloud.url))
        body = {"inputs": [numbers("x", np.ones((1, 7), np.float32))]}  # it takes two columns
        for _ in range(FAILURES + 1):
            assert (await device.infer("digits", body))[0] == 503
        assert await result(device) == ["rejected"]
        assert source(await ask(device, HARD)) == "target:t0"


async def test_a_doubtful_answer_without_help_is_kept(device: Running, cloud: Link, spool: Kept) -> None:
    cloud.fault = "reset"
    device.server.configure(None, plan(cloud.url))
    for _ in range(FAILURES + 1):  # asked in vain, then not at all
        await ask(device, HARD)
    assert spool.reasons == ["LowConfidence"] * (FAILURES + 1)
    example = spool.examples[-1]
    assert example.release == "r1"
    assert example.confidence == pytest.approx(0.525, abs=0.001)
    assert example.response is not None
    assert example.response.parameters["edgewise_source"] == "device"


async def test_a_request_that_was_helped_or_is_sure_is_not_kept(device: Running, cloud: Link, spool: Kept) -> None:
    device.server.configure(None, plan(cloud.url))
    assert [source(await ask(device, x)) for x in (HARD, EASY)] == ["target:t0", "device"]
    assert spool.examples == []


async def test_one_beyond_the_budget_is_kept(device: Running, cloud: Link, spool: Kept) -> None:
    device.server.configure(None, plan(cloud.url, budget=Budget(requests_per_minute=0)))
    await ask(device, HARD)
    assert spool.reasons == ["LowConfidence"]


@pytest.mark.parametrize("helped", [True, False])
async def test_a_request_that_the_device_could_not_answer_is_kept(helped: bool, cloud: Link) -> None:
    async with running() as device:
        spool = device.server.plane.spool = Kept()
        cloud.fault = "" if helped else "reset"
        device.server.configure(None, plan(cloud.url))
        status, _ = await device.infer("digits", {"inputs": [numbers("x", np.array(HARD, np.float32))]})
        assert status == (200 if helped else 503)
        (example,) = spool.examples
        assert (example.reason, example.confidence, example.release) == ("Unavailable", None, "")
        assert (example.response is not None) == helped


async def test_what_the_plan_does_not_call_hard_is_not_kept(cloud: Link) -> None:
    async with running() as device:
        spool = device.server.plane.spool = Kept()
        device.server.configure(None, plan(cloud.url, when=EscalationWhen(unavailable=False)))
        await device.infer("digits", {"inputs": [numbers("x", np.array(HARD, np.float32))]})
        assert spool.examples == []


async def test_a_server_that_ends_drops_its_questions(device: Running, cloud: Link) -> None:
    cloud.fault = "blackhole"
    device.server.configure(None, plan(cloud.url, timeout_seconds=3600.0))
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(ask(device, HARD), 0.2)
    await device.server.drain(0.5)
    assert not escalator(device)._experience.rounds
    assert escalator(device).breakers == {"t0": State.CLOSED}
