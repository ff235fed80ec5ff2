"""Requests reach the engine in turn, and nothing is left of those whose callers have gone."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
import weakref
from typing import Any

import numpy as np
import pytest

from edgewise_runtime.engines.base import AcceleratorLostError, Array, InputRefusedError
from edgewise_runtime.errors import (
    BadRequestError,
    DeadlineError,
    ModelFailedError,
    OverloadedError,
    UnavailableError,
)
from edgewise_runtime.scheduling import dispatch as dispatching
from edgewise_runtime.scheduling import workers
from edgewise_runtime.scheduling.dispatch import Dispatch
from tests.runtime.agent.waiting import until
from tests.runtime.sessions import Gated, dispatch, doubled, model, values

SIZE = 4


class Clock:
    """As dispatch.py reads it; moved by the test alone."""

    perf_counter = staticmethod(time.perf_counter)

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(dispatching, "time", clock)
    return clock


def ask(of: Dispatch, session: Any, number: float = 1.0, **more: Any) -> asyncio.Task[list[Array]]:
    return asyncio.ensure_future(of.run(model(session), values(number), ["y"], SIZE, **more))


async def busy(of: Dispatch, session: Gated) -> asyncio.Task[list[Array]]:
    """A request that runs until the gate opens."""
    first = ask(of, session, 0.0)
    await until(lambda: of.running == 1, "the worker is busy")
    return first


async def test_work_beyond_the_queue_is_refused_at_once(session: Gated) -> None:
    of = dispatch(max_queue=2)
    accepted = [await busy(of, session), ask(of, session), ask(of, session)]
    await until(lambda: of.waiting == 2, "two wait")
    with pytest.raises(OverloadedError, match="2 requests are waiting"):
        await ask(of, session)
    session.gate.set()
    assert len(await asyncio.gather(*accepted)) == 3
    assert (of.running, of.waiting) == (0, 0)


async def test_a_request_is_gone_from_memory_when_it_is_answered(session: Gated) -> None:
    session.gate.set()
    of, feeds = dispatch(), values(1.0)
    tensor = weakref.ref(feeds["x"])
    gc.disable()  # a ring of references would keep it until the collector comes by: dozens of pictures
    try:
        await of.run(model(session), feeds, ["y"], SIZE)
        del feeds
        await until(lambda: tensor() is None, "the request's tensor is freed")
    finally:
        gc.enable()


async def test_first_come_is_first_served(session: Gated) -> None:
    of = dispatch()
    tasks = [await busy(of, session), *(ask(of, session, number) for number in range(1, 6))]
    await until(lambda: of.waiting == 5, "five wait")
    session.gate.set()
    await asyncio.gather(*tasks)
    assert session.asked == [[0], [1], [2], [3], [4], [5]]


async def test_a_caller_who_goes_leaves_the_queue(session: Gated) -> None:
    of = dispatch()
    first, gone, stays = await busy(of, session), ask(of, session, 1), ask(of, session, 2)
    await until(lambda: of.waiting == 2, "two wait")
    gone.cancel()
    await until(lambda: of.waiting == 1, "one has left")
    session.gate.set()
    await asyncio.gather(first, stays)
    assert session.asked == [[0], [2]]
    assert (of.running, of.waiting) == (0, 0)


async def test_a_caller_who_goes_as_its_turn_comes_holds_nobody_up(session: Gated) -> None:
    of = dispatch()
    first, gone, stays = await busy(of, session), ask(of, session, 1), ask(of, session, 2)
    await until(lambda: of.waiting == 2, "two wait")
    first.add_done_callback(lambda _: gone.cancel())
    session.gate.set()
    assert (await stays)[0] == 4
    await asyncio.gather(first, gone, return_exceptions=True)
    assert (of.running, of.waiting) == (0, 0)


async def test_a_run_that_began_is_over_before_its_caller_is_told_that_it_was_cancelled(session: Gated) -> None:
    of = dispatch()
    caller = await busy(of, session)
    caller.cancel()
    await asyncio.sleep(0)
    assert not caller.done()
    session.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert session.asked == [[0]]
    assert of.running == 0


ERRORS: dict[str, tuple[Exception, type[Exception], str]] = {
    "an input the engine refuses is the client's fault": (
        InputRefusedError("got rank 2"), BadRequestError, "gated: got rank 2",
    ),
    "a failure is the model's": (ZeroDivisionError("by zero"), ModelFailedError, "gated failed on this request"),
    "a lost accelerator makes the model unavailable": (
        AcceleratorLostError("the Edge TPU is gone"), UnavailableError, "gated: the Edge TPU is gone",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("error", "told", "text"), ERRORS.values(), ids=ERRORS)
async def test_an_error_reaches_the_caller_and_frees_the_worker(
    error: Exception, told: type[Exception], text: str
) -> None:
    def fail(_: Any) -> list[Array]:
        raise error

    of, broken = dispatch(), Gated(fail)
    broken.gate.set()
    for _ in range(3):
        with pytest.raises(told, match=text):
            await ask(of, broken)
    assert of.running == 0


async def test_a_deadline_that_passes_in_the_queue_takes_the_request_out_of_it(session: Gated, clock: Clock) -> None:
    of = dispatch()
    first = await busy(of, session)
    with pytest.raises(DeadlineError, match="passed while it waited"):
        await ask(of, session, 1, deadline=clock.now + 0.02)
    session.gate.set()
    await first
    assert session.asked == [[0]]
    assert of.waiting == 0


async def test_a_request_answered_in_time_does_not_mind_its_deadline(session: Gated, clock: Clock) -> None:
    of = dispatch()
    session.gate.set()
    assert (await ask(of, session, 3, deadline=clock.now + 30))[0] == 6


class NoThread:
    """As threading.Thread in a pod that has as many as it may have."""

    def __init__(self, **_: Any) -> None:
        pass

    def start(self) -> None:
        raise RuntimeError("can't start new thread")


async def test_a_pod_that_gets_no_thread_says_so_and_goes_on_when_it_does(
    session: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = dispatch(max_queue=1)
    session.gate.set()
    with monkeypatch.context() as none_left:
        none_left.setattr(workers, "Thread", NoThread)
        for _ in range(3):
            with pytest.raises(ModelFailedError, match="can't start new thread"):
                await ask(of, session)
    assert (await ask(of, session, 3))[0] == 6


async def test_a_pod_that_gets_fewer_threads_than_it_has_cores_works_with_those(
    session: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    of, other = dispatch(threads=2), Gated()
    first = await busy(of, session)
    monkeypatch.setattr(workers, "Thread", NoThread)
    other.gate.set()
    second = ask(of, other)
    session.gate.set()
    assert [(await task)[0] for task in (first, second)] == [0, 2]


async def test_two_models_run_at_the_same_time_where_there_are_two_workers(session: Gated) -> None:
    of, other = dispatch(threads=2), Gated()
    tasks = [ask(of, session), ask(of, other)]
    await until(lambda: of.running == 2, "both run")
    session.gate.set()
    other.gate.set()
    await asyncio.gather(*tasks)


async def test_a_model_that_was_found_best_alone_runs_alone(session: Gated) -> None:
    of, alone = dispatch(threads=2), model(session, workers=1)
    tasks = [asyncio.ensure_future(of.run(alone, values(1), ["y"], SIZE)) for _ in range(2)]
    await until(lambda: of.waiting == 1, "the second waits, though a worker is free")
    session.gate.set()
    await asyncio.gather(*tasks)


async def test_an_overloaded_model_refuses_before_the_body_is_read(session: Gated, clock: Clock) -> None:
    of, slow = dispatch(max_queue=2), model(session, latency=0.001, size=SIZE)
    tasks = [asyncio.ensure_future(of.run(slow, values(number), ["y"], SIZE)) for number in range(3)]
    await until(lambda: of.waiting == 2, "the queue is full")
    of.refuse_early(slow, SIZE)  # a full queue may be a burst
    clock.now += 0.06  # it has stood for longer than a burst lasts
    newest = asyncio.ensure_future(of.run(slow, values(3), ["y"], SIZE))
    await until(lambda: tasks[1].done() and tasks[2].done(), "those who waited for long are told to come again")
    with pytest.raises(OverloadedError, match="asked more than it can answer"):
        of.refuse_early(slow, SIZE)
    session.gate.set()
    answers = await asyncio.gather(*tasks, newest, return_exceptions=True)
    assert [isinstance(answer, OverloadedError) for answer in answers] == [False, True, True, False]


async def test_waits_and_rows_are_on_record(session: Gated, clock: Clock) -> None:
    of = dispatch()
    tasks = [await busy(of, session), ask(of, session)]
    await until(lambda: of.waiting == 1, "one waits")
    clock.now += 0.5
    session.gate.set()
    await asyncio.gather(*tasks)
    counts = of.statistics.of("gated", "1")
    assert (counts.runs, counts.rows, counts.queue.count) == (2, 2, 2)
    assert counts.queue.ns == 500_000_000


ENDS = {
    "an answer": doubled,
    "an error of the engine": lambda _: 1 / 0,
    "an input that is refused": lambda feeds: refuse(),
}


def refuse() -> list[Array]:
    raise InputRefusedError("no")


@pytest.mark.parametrize("answer", ENDS.values(), ids=ENDS)
async def test_a_request_that_is_over_leaves_its_tensors_to_nobody(answer: Any) -> None:
    """Not even to a cycle: on a small device the collector comes too late."""
    of, session = dispatch(), Gated(answer)
    session.gate.set()
    feeds = values(1)
    tensor = weakref.ref(feeds["x"])
    gc.disable()
    try:
        with contextlib.suppress(ModelFailedError, BadRequestError):
            await of.run(model(session), feeds, ["y"], SIZE)
        del feeds
        await until(lambda: tensor() is None, "nobody holds the input any more")
    finally:
        gc.enable()


def test_arrays_are_handed_on_as_the_engine_made_them(session: Gated) -> None:
    """The helper of these tests does what it says."""
    session.gate.set()
    assert np.array_equal(session.run(values(1, 2), ["y"])[0], [2, 4])
