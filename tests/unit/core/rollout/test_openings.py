"""How long a window was shut, through nights on which clocks are changed."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.api.rollout import Window
from edgewise.core.rollout.openings import shut_between

BERLIN = "Europe/Berlin"
HOUR = 3600.0


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp()


@pytest.mark.parametrize(
    ("schedule", "duration", "zone", "since", "until", "hours"),
    [
        pytest.param("0 2 * * *", "1h", "Etc/UTC", "2026-11-21T00", "2026-11-22T00", 23, id="a day"),
        pytest.param("0 2 * * *", "1h", "Etc/UTC", "2026-11-21T03", "2026-11-22T02", 23, id="from its end on"),
        pytest.param("0 2 * * *", "3h", "Etc/UTC", "2026-11-21T04", "2026-11-21T08", 3, id="in the middle of it"),
        pytest.param("0 2 * * *", "3h", "Etc/UTC", "2026-11-21T03", "2026-11-21T04", 0, id="within it"),
        pytest.param("0 2 * * *", "1h", "Etc/UTC", "2026-11-21T05", "2026-11-21T09", 4, id="outside of it"),
        pytest.param("0 * * * *", "90m", "Etc/UTC", "2026-11-21T05", "2026-11-21T09", 0, id="openings that overlap"),
        pytest.param("0 2,3 * * *", "90m", "Etc/UTC", "2026-11-21T00", "2026-11-21T06", 3.5, id="two that do"),
        pytest.param("0 22 * * 5", "3d", "Etc/UTC", "2026-11-16T00", "2026-11-23T00", 96, id="over a weekend"),
        pytest.param("0 2 * * *", "2h", BERLIN, "2026-03-28T23", "2026-03-29T22", 21, id="an hour is left out"),
        pytest.param("0 2 * * *", "2h", BERLIN, "2026-10-24T22", "2026-10-25T23", 23, id="an hour is there twice"),
        pytest.param("* * * * *", "366d", "Etc/UTC", "2026-11-21T00", "2026-11-22T00", 0, id="never"),
        pytest.param("0 0 29 2 *", "1h", "Etc/UTC", "2026-11-21T00", "2026-11-22T00", 24, id="not this year"),
    ],
)
def test_the_time_it_was_shut(schedule: str, duration: str, zone: str, since: str, until: str, hours: float) -> None:
    window = Window(schedule=schedule, duration=duration, time_zone=zone)
    assert shut_between(window, at(since), at(until)) == hours * HOUR


MOMENTS = st.integers(int(at("2026-01-01")), int(at("2027-01-01")))
SPANS = st.integers(0, 86400 * 4)
WINDOWS = st.builds(
    Window,
    schedule=st.sampled_from(["0 2 * * *", "30 2 * * *", "*/20 1-3 * * *", "15 1-3 * * 6,0"]),
    duration=st.sampled_from(["10m", "1h", "5h"]),
    time_zone=st.sampled_from([BERLIN, "Australia/Lord_Howe", "Etc/UTC"]),
)


@given(WINDOWS, MOMENTS, SPANS, SPANS)
def test_of_two_spans_it_is_the_sum(window: Window, since: int, one: int, other: int) -> None:
    first, second = shut_between(window, since, since + one), shut_between(window, since + one, since + one + other)
    assert shut_between(window, since, since + one + other) == first + second
    assert 0 <= first <= one
