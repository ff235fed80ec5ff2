"""The cap on bandwidth holds over every second, and an idle link is used at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise_runtime.pace import BURST_SECONDS, Pace


def test_without_a_cap_nothing_waits() -> None:
    pace = Pace(None)
    assert [pace.wait(2**20, 0.0), pace.piece] == [0.0, 2**16]


@pytest.mark.parametrize(("rate", "piece"), [(100.0, 2**10), (64 * 2**10, 2**14), (1e9, 2**16)])
def test_pieces_are_a_quarter_of_a_second_within_reason(rate: float, piece: int) -> None:
    assert Pace(rate).piece == piece


@given(
    st.floats(10.0, 1e6),
    st.lists(st.tuples(st.integers(1, 10**5), st.floats(0.0, 30.0)), min_size=1, max_size=30),
)
def test_no_stretch_of_time_carries_more_than_the_rate_and_one_burst(
    rate: float, pieces: list[tuple[int, float]]
) -> None:
    pace, now = Pace(rate), 1000.0
    left = list[tuple[float, int]]()
    for size, idle in pieces:
        now += idle
        now += pace.wait(size, now)
        left.append((now, size))
    for i in range(len(left)):
        for j in range(i, len(left)):
            carried = sum(size for _, size in left[i : j + 1])
            allowed = rate * (left[j][0] - left[i][0] + BURST_SECONDS) + left[i][1]
            assert carried <= allowed * (1 + 1e-9)


def test_a_link_that_is_always_busy_carries_the_whole_rate() -> None:
    pace, now = Pace(1000.0), 0.0
    for _ in range(100):
        now += pace.wait(250, now)
    assert now == pytest.approx(25.0, abs=BURST_SECONDS)
