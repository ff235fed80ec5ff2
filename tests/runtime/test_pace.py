"""Which models run on the event loop, and how long a run is expected to take."""

from __future__ import annotations

from typing import Any

import pytest

from edgewise_runtime.scheduling.pace import QUICK, Pace
from tests.runtime.sessions import Gated, dispatch, model, values

SIZE = 4


def opened(provider: str = "CPU") -> Gated:
    session = Gated(provider=provider)
    session.gate.set()
    return session


async def test_a_model_measured_to_be_quick_answers_without_a_wait() -> None:
    of, quick = dispatch(), model(opened(), latency=QUICK / 2, size=SIZE)
    arrays = of.run_now(quick, values(21), ["y"], SIZE)
    assert arrays is not None
    assert arrays[0] == 42
    assert of.statistics.of("gated", "1").runs == 1


NOT_NOW: dict[str, tuple[str, dict[str, Any]]] = {
    "a slow model": ("CPU", {"latency": QUICK * 2, "size": SIZE}),
    "a model never measured": ("CPU", {}),
    "a larger input than was measured": ("CPU", {"latency": QUICK / 2, "size": SIZE - 1}),
    "an accelerator, which may hang": ("CUDAExecutionProvider", {"latency": QUICK / 2, "size": SIZE}),
}


@pytest.mark.parametrize(("provider", "choice"), NOT_NOW.values(), ids=NOT_NOW)
async def test_the_event_loop_is_not_held_by(provider: str, choice: dict[str, Any]) -> None:
    assert dispatch().run_now(model(opened(provider), **choice), values(1), ["y"], SIZE) is None


async def test_a_model_that_was_quick_on_its_accelerator_is_not_taken_to_be_so_on_the_cpu() -> None:
    """There it may take a second, in which nobody would get an answer, health checks included."""
    of, session = dispatch(), opened("CUDAExecutionProvider")
    served = model(session, latency=QUICK / 10, size=SIZE)
    await of.run(served, values(1), ["y"], SIZE)
    session.provider = "CPU"
    assert of.run_now(served, values(1), ["y"], SIZE) is None


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
    "one slow run may be the kernel's doing": ([*runs(size=100, seconds=FAST, times=5), (100, SLOW)], 100, True),
    "trust is lost with two slow runs": ([*runs(size=100, seconds=FAST, times=5), *[(100, SLOW)] * 2], 100, False),
    "two slow runs with a quick one between are two accidents": (
        [*runs(size=100, seconds=FAST, times=5), (100, SLOW), (100, FAST), (100, SLOW)], 100, True,
    ),
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


def test_what_a_run_will_take_is_told_by_runs_of_about_its_size() -> None:
    pace = Pace()
    assert pace.expected(100) is None
    for seconds in (0.010, 0.020):
        pace.learn(100, seconds)
    pace.learn(100_000, 1.0)
    assert pace.expected(110) == pytest.approx(0.012)
    assert pace.expected(70_000) == 1.0
    assert pace.expected(10**9) == 1.0
    assert pace.typical == 1.0


def test_a_model_that_becomes_slower_is_believed_after_a_handful_of_runs() -> None:
    pace = Pace.measured(100, 0.01)
    for _ in range(10):
        pace.learn(100, 0.02)
    assert pace.expected(100) == pytest.approx(0.02, rel=0.1)
