"""The work queue: coalescing, one worker a key, patience with keys that fail."""

import asyncio
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edgewise.controller.queue import Backoff, WorkQueue
from tests.unit.fake_time import run

KEYS = st.sampled_from("abc")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), KEYS),
        st.tuples(st.just("later"), KEYS, st.floats(0, 10)),
        st.tuples(st.just("retry"), KEYS),
        st.tuples(st.just("take")),
        st.tuples(st.just("done"), KEYS),
        st.tuples(st.just("pass"), st.floats(0, 10)),
    ),
    max_size=40,
)


@given(STEPS)
def test_whatever_happens_every_key_that_was_added_is_handed_out_after_that_and_never_twice_at_once(
    steps: list[tuple[Any, ...]],
) -> None:
    run(_script(steps))


async def _script(steps: list[tuple[Any, ...]]) -> None:
    queue: WorkQueue[str] = WorkQueue()
    working: set[str] = set()
    owed: set[str] = set()
    for step, *arguments in steps:
        match step:
            case "add":
                queue.add(arguments[0])
                owed.add(arguments[0])
            case "later":
                queue.add_after(*arguments)
                owed.add(arguments[0])
            case "retry":
                queue.retry(arguments[0])
                owed.add(arguments[0])
            case "take" if queue.depth:
                _take(queue, working, owed)
            case "done" if arguments[0] in working:
                working.discard(arguments[0])
                queue.done(arguments[0])
            case "pass":
                await asyncio.sleep(arguments[0])
    await _drain(queue, working, owed)


def _take(queue: WorkQueue[str], working: set[str], owed: set[str]) -> None:
    key = queue.take()
    assert key not in working, "two workers on one key"
    working.add(key)
    owed.discard(key)


async def _drain(queue: WorkQueue[str], working: set[str], owed: set[str]) -> None:
    for key in list(working):
        working.discard(key)
        queue.done(key)
    await asyncio.sleep(1000)  # longer than any delay
    while queue.depth:
        _take(queue, working, owed)
        key = working.pop()
        queue.done(key)
    assert not owed, "added, and never handed out"
    assert queue.age == 0


def test_two_hundred_adds_while_a_key_is_worked_on_are_one_more_look() -> None:
    async def script() -> None:
        queue: WorkQueue[str] = WorkQueue()
        queue.add("a")
        first = await queue.get()
        for _ in range(200):
            queue.add("a")
        assert queue.depth == 0
        queue.done(first)
        assert [queue.take(), queue.depth] == ["a", 0]

    run(script())


def test_keys_come_out_in_the_order_in_which_they_came_in() -> None:
    async def script() -> None:
        queue: WorkQueue[str] = WorkQueue()
        for key in "cabac":
            queue.add(key)
        assert [queue.take() for _ in range(queue.depth)] == ["c", "a", "b"]

    run(script())


def test_the_earlier_of_two_times_counts_and_the_key_comes_once() -> None:
    async def script() -> None:
        queue: WorkQueue[str] = WorkQueue()
        loop = asyncio.get_running_loop()
        queue.add_after("a", 10)
        queue.add_after("a", 3)
        queue.add_after("a", 7)
        await queue.get()
        assert loop.time() == 3
        queue.done("a")
        await asyncio.sleep(100)
        assert queue.depth == 0

    run(script())


def test_a_key_that_always_fails_holds_up_nobody_and_comes_back_ever_later_up_to_the_longest_delay() -> None:
    async def script() -> None:
        queue: WorkQueue[str] = WorkQueue(Backoff(first=1, longest=60, jitter=0))
        loop = asyncio.get_running_loop()
        looks: Counter[str] = Counter()
        times: list[float] = []
        queue.add("poisoned")
        for _ in range(9):
            queue.add("good")
            while queue.depth or not looks["poisoned"] > len(times):
                key = await queue.get()
                looks[key] += 1
                if key == "poisoned":
                    queue.retry(key)
                queue.done(key)
            times.append(loop.time())
        assert looks == {"poisoned": 9, "good": 9}
        assert times == [0, 1, 3, 7, 15, 31, 63, 123, 183]

    run(script())


def test_success_forgets_earlier_failures() -> None:
    async def script() -> None:
        queue: WorkQueue[str] = WorkQueue(Backoff(first=1, longest=60, jitter=0))
        delays = [queue.retry("a"), queue.retry("a")]
        queue.succeeded("a")
        assert [*delays, queue.retry("a")] == [1, 2, 1]
        queue.close()

    run(script())


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_the_delay_stays_within_its_bounds_whatever_the_number_of_failures(failures: int, chance: float) -> None:
    backoff = Backoff(first=0.5, longest=300, jitter=0.2)
    assert 0.5 * 0.8 <= backoff.delay(failures, chance) <= 300 * 1.2


def test_age_is_that_of_the_key_which_waits_or_is_worked_on_longest() -> None:
    async def script() -> None:
        queue: WorkQueue[str] = WorkQueue()
        queue.add("a")
        await asyncio.sleep(5)
        queue.add("b")
        assert queue.age == 5
        queue.take()
        await asyncio.sleep(2)
        assert queue.age == 2

    run(script())
