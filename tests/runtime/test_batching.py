"""Requests share a run only with their like, get their own rows back, and never pay for somebody else's mistake."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise_runtime import engines
from edgewise_runtime.engines.base import Array, EngineOptions, InputRefusedError, Session
from edgewise_runtime.engines.traits import Traits
from edgewise_runtime.errors import BadRequestError
from edgewise_runtime.scheduling.dispatch import Dispatch
from edgewise_runtime.scheduling.gathering import Gain, NotPartedError, kind_of, parted
from tests.runtime import tinyonnx
from tests.runtime.agent.waiting import until
from tests.runtime.queueing import call, line
from tests.runtime.sessions import Gated, dispatch, doubled, model, values

BATCH = 8


def through(session: Session, name: str) -> Gated:
    """A real model behind a gate, so that requests can be made to wait for each other."""
    return Gated(lambda feeds: session.run(feeds, [name]))


async def together(of: Dispatch, session: Gated, feeds: Sequence[Mapping[str, Array]], **choice: Any) -> list[Any]:
    """What each is answered that waited while another one ran."""
    served = model(session, **({"batch": BATCH} | choice))
    session.gate.clear()
    first = asyncio.ensure_future(of.run(served, feeds[0], ["y"], 4))
    await until(lambda: of.running == 1, "the worker is busy")
    tasks = [asyncio.ensure_future(of.run(served, one, ["y"], 4)) for one in feeds]
    await until(lambda: of.waiting == len(feeds), "all wait")
    session.gate.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.gather(first, return_exceptions=True)
    return [answer[0] if isinstance(answer, list) else answer for answer in answers]


async def test_requests_that_wait_anyway_share_a_run() -> None:
    of, session = dispatch(), Gated()
    answers = await together(of, session, [values(number) for number in range(5)])
    assert session.asked == [[0], [0, 1, 2, 3, 4]]
    assert [float(answer[0]) for answer in answers] == [0, 2, 4, 6, 8]
    assert of.statistics.of("gated", "1").runs == 2


async def test_a_run_has_no_more_rows_than_were_found_to_pay() -> None:
    session = Gated()
    await together(dispatch(), session, [values(*range(3)) for _ in range(4)])
    assert [len(run) for run in session.asked] == [3, 6, 6]


OFF: dict[str, tuple[bool, dict[str, Any]]] = {
    "where the deployment says so": (False, {}),
    "where the tuner found no gain": (True, {"batch": 1}),
}


@pytest.mark.parametrize(("batching", "choice"), OFF.values(), ids=OFF)
async def test_every_request_runs_by_itself(batching: bool, choice: dict[str, Any]) -> None:
    of, session = dispatch(), Gated()
    of.batching = batching
    await together(of, session, [values(number) for number in range(3)], **choice)
    assert session.asked == [[0], [0], [1], [2]]


async def test_a_model_whose_rows_depend_on_each_other_shares_no_run() -> None:
    session: Any = Gated()
    session.traits = Traits(rows_independent=False)
    await together(dispatch(), session, [values(1), values(2)])
    assert session.asked == [[1], [1], [2]]


async def test_only_the_like_go_together() -> None:
    session = Gated(lambda feeds: [feeds["x"]])
    single, double = np.ones((1, 2), np.float32), np.ones((1, 2), np.float64)
    answers = await together(dispatch(), session, [{"x": array} for array in (single, double, single)])
    assert [answer.dtype.name for answer in answers] == ["float32", "float64", "float32"]
    assert [len(run) for run in session.asked] == [2, 4, 2]


@settings(deadline=None, max_examples=25)
@given(rows=st.lists(st.integers(1, 6), min_size=1, max_size=9), seed=st.integers(0, 2**32 - 1))
def test_a_shared_run_gives_what_runs_alone_give(
    tmp_path_factory: pytest.TempPathFactory, rows: list[int], seed: int
) -> None:
    random = np.random.default_rng(seed)
    path = tinyonnx.dense(tmp_path_factory.mktemp("dense"), width=32)
    real = engines.load(path, "ONNX", EngineOptions(threads=1))
    feeds = [{"x": random.standard_normal((count, 32)).astype(np.float32)} for count in rows]
    answers = asyncio.run(together(dispatch(), through(real, "y"), feeds))
    for answer, one in zip(answers, feeds, strict=True):
        np.testing.assert_allclose(answer, real.run(one, ["y"])[0], rtol=1e-4, atol=1e-6)
    real.close()


async def test_a_poisoned_request_fails_alone(tmp_path: Path) -> None:
    table = np.arange(10, dtype=np.float32) * 10
    session = through(engines.load(tinyonnx.lookup(tmp_path, table), "ONNX", EngineOptions(threads=1)), "y")
    of = dispatch()
    for _ in range(2):  # and next time they share a run again
        asked = [{"x": np.array([[index]], np.int64)} for index in (3, 99, 7)]
        answers = await together(of, session, asked)
        assert isinstance(answers[1], BadRequestError)
        assert [float(answers[index][0, 0]) for index in (0, 2)] == [30, 70]
    assert [3, 99, 7] in session.asked[-4:]


async def test_one_who_goes_takes_nobody_along() -> None:
    of, session = dispatch(), Gated()
    served = model(session, batch=BATCH)
    first = asyncio.ensure_future(of.run(served, values(0), ["y"], 4))
    await until(lambda: of.running == 1, "the worker is busy")
    tasks = [asyncio.ensure_future(of.run(served, values(number), ["y"], 4)) for number in (1, 2, 3)]
    await until(lambda: of.waiting == 3, "three wait")
    session.gate.set()
    await first
    session.gate.clear()
    tasks[1].cancel()
    session.gate.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(answers[1], asyncio.CancelledError)
    assert [float(answers[index][0][0]) for index in (0, 2)] == [2, 6]  # type: ignore[index]
    assert (of.running, of.waiting) == (0, 0)


async def test_a_model_that_bears_no_sharing_is_left_alone_from_then_on(caplog: pytest.LogCaptureFixture) -> None:
    def one_row_only(feeds: Mapping[str, Array]) -> list[Array]:
        if len(feeds["x"]) > 1:
            raise InputRefusedError("no memory for so much")
        return doubled(feeds)

    of, session = dispatch(), Gated(one_row_only)
    answers = await together(of, session, [values(1), values(2)])
    assert [float(answer[0]) for answer in answers] == [2, 4]
    assert "cannot share a run" in caplog.text
    session.asked.clear()
    await together(of, session, [values(1), values(2)])
    assert session.asked == [[1], [1], [2]]


KINDS: dict[str, tuple[dict[str, Array], bool]] = {
    "rows of all inputs are the same": ({"a": np.zeros((2, 3)), "b": np.zeros((2, 1))}, True),
    "inputs differ in rows": ({"a": np.zeros((2, 3)), "b": np.zeros((1, 1))}, False),
    "a number has no rows": ({"a": np.zeros(())}, False),
    "no row at all": ({"a": np.zeros((0, 3))}, False),
    "text": ({"a": np.array([b"a"], object)}, False),
}


@pytest.mark.parametrize(("feeds", "shares"), KINDS.values(), ids=KINDS)
def test_what_can_share_a_run(feeds: dict[str, Array], shares: bool) -> None:
    assert (kind_of(feeds, ["y"]) is not None) is shares


def test_who_wants_other_outputs_has_a_run_of_his_own() -> None:
    assert kind_of(values(1), ["y"]) != kind_of(values(1), ["z"])


@pytest.mark.parametrize("output", [np.zeros(()), np.zeros((2, 1)), np.zeros((4, 1))])
def test_rows_that_cannot_be_told_apart_are_nobodys(output: Array) -> None:
    model_line = line(0.01)
    with pytest.raises(NotPartedError, match="3 rows in"):
        parted([output], [call(model_line, rows=1), call(model_line, rows=2)])


def test_sharing_that_stops_to_pay_rests_for_a_minute() -> None:
    gain = Gain.measured(2.0)
    for _ in range(5):
        gain.learn(alone=0.02, together=0.01, now=100.0)
    assert gain.pays(100.0)
    assert gain.value == pytest.approx(2.0)
    for _ in range(50):
        gain.learn(alone=0.02, together=0.04, now=100.0)
        if not gain.pays(100.0):
            break
    assert not gain.pays(159.0)
    assert gain.pays(161.0)
    assert gain.value == 2.0
