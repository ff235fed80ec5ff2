"""The line before the disk: short, and the surest leave it first."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise_runtime.spool import line
from edgewise_runtime.spool.line import Line
from tests.runtime.spool.examples import NOW, example

OFFERS = st.lists(st.tuples(st.sampled_from([None, 0.1, 0.5, 0.9]), st.integers(1, 200)), max_size=40)


@pytest.fixture(scope="module", autouse=True)
def short() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line, "MOST_WAITING", 5)
        patch.setattr(line, "MOST_BYTES", 2000)
        yield


@given(OFFERS)
def test_what_waits_is_within_bounds_and_worth_more_than_what_left_last(offers: list[tuple[float | None, int]]) -> None:
    waiting = Line()
    for order, (confidence, size) in enumerate(offers):
        before = list(waiting._waiting)
        reasons = list(waiting.add(example(confidence, size), NOW + order))
        gone = [one for one in before if one not in waiting._waiting]
        assert len(waiting) <= line.MOST_WAITING
        assert sum(one.size for one in waiting._waiting) == waiting._bytes <= line.MOST_BYTES
        assert all(one > kept for one in gone for kept in waiting._waiting)
        assert len(before) + 1 == len(waiting) + len(reasons)


@given(OFFERS)
def test_the_least_sure_leaves_it_first_and_of_those_the_newest(offers: list[tuple[float | None, int]]) -> None:
    waiting = Line()
    for order, (confidence, size) in enumerate(offers):
        list(waiting.add(example(confidence, size), NOW + order))
    left = [waiting.pop() for _ in range(len(waiting))]
    assert left == sorted(left, key=lambda one: (one.confidence, -one.taken))


def test_one_that_is_larger_than_the_line_displaces_nobody() -> None:
    waiting = Line()
    assert list(waiting.add(example(0.9), NOW)) == []
    assert list(waiting.add(example(0.1, size=501), NOW)) == ["large"]
    assert len(waiting) == 1
