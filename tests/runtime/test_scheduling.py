"""The queue is bounded, fair, and holds no place for callers who have gone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from edgewise_runtime.errors import OverloadedError
from edgewise_runtime.scheduling.pace import QUICK, Pace
from edgewise_runtime.scheduling.workers import Workers
from tests.runtime.agent.waiting import until


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Holds work until it is set; always set in the end, so that no thread outlives its test."""
    event = threading.Event()
    yield event
    event.set()


async def test_work_beyond_the_queue_is_refused_at_once(gate: threading.Event) -> None:
    workers = Workers(threads=1, max_queue=2)
    accepted = [asyncio.ensure_future(workers.run(gate.wait)) for _ in range(3)]
    await until(lambda: workers.waiting == 2, "two wait")
    with pytest.raises(OverloadedError, match="2 requests are waiting"):
        await workers.run(gate.wait)
    gate.set()
    assert await asyncio.gather(*accepted) == [True] * 3
    assert (workers.busy, workers.waiting) == (0, 0)


async def test_first_come_is_first_served(gate: threading.Event) -> None:
    workers, order = Workers(threads=1, max_queue=9), list[int]()
    first = asyncio.ensure_future(workers.run(gate.wait))
    await until(lambda: workers.busy, "the worker is busy")
    others = [asyncio.ensure_future(workers.run(partial(order.append, number))) for number in range(5)]
    gate.set()
    await asyncio.gather(first, *others)
    assert order == [0, 1, 2, 3, 4]


async def test_a_caller_who_goes_leaves_the_queue(gate: threading.Event) -> None:
    workers, ran = Workers(threads=1, max_queue=2), list[str]()
    first = asyncio.ensure_future(workers.run(gate.wait))
    await until(lambda: workers.busy, "the worker is busy")
    gone = asyncio.ensure_future(workers.run(lambda: ran.append("gone")))
    stays = asyncio.ensure_future(workers.run(lambda: ran.append("stays")))
    await until(lambda: workers.waiting == 2, "two wait")
    gone.cancel()
    await until(lambda: workers.waiting == 1, "one has left")
    gate.set()
    await asyncio.gather(first, stays)
    assert ran == ["stays"]
    assert (workers.busy, workers.waiting) == (0, 0)


async def test_a_caller_who_goes_as_its_turn_comes_passes_it_on(gate: threading.Event) -> None:
    workers = Workers(threads=1, max_queue=2)
    first = asyncio.ensure_future(workers.run(gate.wait))
    await until(lambda: workers.busy, "the worker is busy")
    gone = asyncio.ensure_future(workers.run(gate.wait))
    stays = asyncio.ensure_future(workers.run(gate.wait))
    await until(lambda: workers.waiting == 2, "two wait")
    first.add_done_callback(lambda _: gone.cancel())  # in the very moment in which the place is handed on
    gate.set()
    assert await stays is True
    await asyncio.gather(first, gone, return_exceptions=True)
    assert (workers.busy, workers.waiting) == (0, 0)


async def test_a_run_that_began_is_over_before_its_caller_is_told_that_it_was_cancelled(gate: threading.Event) -> None:
    workers, finished = Workers(threads=1, max_queue=0), threading.Event()

    def work() -> None:
        gate.wait()
        finished.set()

    caller = asyncio.ensure_future(workers.run(work))
    await until(lambda: workers.busy, "it began")
    caller.cancel()
    await asyncio.sleep(0)
    assert not caller.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert finished.is_set()
    assert workers.busy == 0


async def test_an_error_reaches_the_caller_and_frees_the_place() -> None:
    workers = Workers(threads=1, max_queue=0)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            await workers.run(lambda: 1 / 0)
    assert workers.busy == 0


def runs(*, size: int, seconds: float, times: int) -> list[tuple[int, float]]:
    return [(size, seconds)] * times


FAST, SLOW = QUICK / 5, QUICK * 2
PACES = {
    "unknown at first": ([], 100, False),
    "one quick run proves nothing": (runs(size=100, seconds=FAST, times=1), 100, False),
    "trusted after five": (runs(size=100, seconds=FAST, times=5), 100, True),
    "a smaller input is trusted too": (runs(size=100, seconds=FAST, times=5), 50, True),
    "a larger one is not": (runs(size=100, seconds=FAST, times=5), 101, False),
    "a slow run between begins anew": (
        [*runs(size=100, seconds=FAST, times=4), (100, SLOW), *runs(size=100, seconds=FAST, times=4)], 100, False,
    ),
    "trust is lost with a slow run": ([*runs(size=100, seconds=FAST, times=5), (100, SLOW)], 100, False),
    "trust outlives a slow run of a larger input": ([*runs(size=100, seconds=FAST, times=5), (900, SLOW)], 100, True),
    "mixed sizes are trusted up to the smallest": (
        [*runs(size=100, seconds=FAST, times=3), *runs(size=70, seconds=FAST, times=2)], 100, False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PACES)
def test_a_model_runs_on_the_loop_when_it_was_quick_often_enough(case: str) -> None:
    history, size, expected = PACES[case]
    pace = Pace()
    for ran, seconds in history:
        pace.learn(ran, seconds)
    assert pace.quick(size) is expected
