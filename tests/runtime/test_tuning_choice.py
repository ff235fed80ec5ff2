"""How a model shall run, by what was measured: a rule that a table can tell."""

from __future__ import annotations

from typing import Any

import pytest

from edgewise_runtime.tuning.choice import Measurement, choose


def took(threads: int, workers: int, rows: int, ms: float, cpu: float | None = None) -> Measurement:
    """`ms`: of a run; `cpu`: CPU milliseconds of it, by default as many as one busy thread has."""
    return Measurement(threads, workers, rows, ms / 1000, (ms if cpu is None else cpu) / 1000, ms / 1000)


CHOICES: dict[str, tuple[list[Measurement], dict[str, Any]]] = {
    "nothing measured": ([], {"threads": 0, "workers": 0, "batch": 1, "latency": None}),
    "one core": ([took(1, 1, 1, 10)], {"threads": 1, "workers": 0, "batch": 1, "latency": 0.010}),
    "a model quick enough for the event loop has one thread": (
        [took(2, 1, 1, 0.1), took(1, 1, 1, 0.15)],
        {"threads": 1, "workers": 0},
    ),
    "two runs at a time beat one on two threads": (
        [took(2, 1, 1, 6, 11), took(1, 1, 1, 10), took(1, 2, 1, 10)],
        {"threads": 1, "workers": 2, "latency": 0.010, "fastest": 0.006},
    ),
    "where both answer as many, the one that answers sooner": (
        [took(2, 1, 1, 5, 10), took(1, 1, 1, 10), took(1, 2, 1, 10)],
        {"threads": 2, "latency": 0.005},
    ),
    "unless it burns more CPU": (
        [took(2, 1, 1, 5, 12), took(1, 1, 1, 10), took(1, 2, 1, 10)],
        {"threads": 1, "latency": 0.010},
    ),
    "where memory is the bottleneck, one at a time is as good": (
        [took(1, 1, 1, 10), took(1, 2, 1, 19.8)],
        {"threads": 1, "workers": 1},
    ),
    "a batch that gains": (
        [took(1, 1, 1, 10), took(1, 2, 1, 10), took(1, 2, 4, 20), took(1, 2, 8, 36)],
        {"batch": 8, "gain": 80 / 36, "wait": pytest.approx(0.0055)},
    ),
    "of batches that gain about the same the smallest": (
        [took(1, 1, 1, 10), took(1, 1, 4, 20), took(1, 1, 8, 39)],
        {"batch": 4, "gain": 2.0},
    ),
    "a batch that gains too little": ([took(1, 1, 1, 10), took(1, 1, 4, 37)], {"batch": 1, "wait": 0.0, "gain": 1.0}),
    "a batch that gains, but takes too long": ([took(1, 1, 1, 10), took(1, 1, 16, 85)], {"batch": 1}),
    "a wait that no clock can measure is none": ([took(1, 1, 1, 0.6), took(1, 1, 4, 0.8)], {"batch": 4, "wait": 0.0}),
    "batches decide between numbers of threads, too": (
        [took(2, 1, 1, 6, 12), took(2, 1, 8, 12), took(1, 1, 1, 10), took(1, 2, 1, 10), took(1, 2, 8, 40)],
        {"threads": 2, "batch": 8},
    ),
}


@pytest.mark.parametrize(("measured", "expected"), CHOICES.values(), ids=CHOICES)
def test_the_rule(measured: list[Measurement], expected: dict[str, Any]) -> None:
    choice = choose(measured)
    assert {name: getattr(choice, name) for name in expected} == expected


TWO_THREADS_ARE_QUICKER = [took(2, 1, 1, 6, 11), took(1, 1, 1, 10), took(1, 2, 1, 10)]


@pytest.mark.parametrize(
    ("limit", "threads"),
    [
        pytest.param(0.020, 1, id="both are quick enough"),
        pytest.param(0.008, 2, id="only two threads are"),
        pytest.param(0.001, 2, id="none is: the quickest"),
    ],
)
def test_a_latency_that_was_asked_for_comes_first(limit: float, threads: int) -> None:
    assert choose(TWO_THREADS_ARE_QUICKER, max_latency=limit).threads == threads
