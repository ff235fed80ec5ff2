"""When a window opens, through nights on which clocks are changed."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edgewise.api.rollout import Window
from edgewise.api.windows import next_opening, problem

BERLIN = "Europe/Berlin"
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(timezone.utc))
SCHEDULES = st.sampled_from(["0 2 * * *", "30 2 * * *", "*/20 * * * *", "15 1-3 * * 6,0", "0 0 1 * *"])
ZONES = st.sampled_from([BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Etc/UTC"])


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("schedule", "zone", "after", "opens"),
    [
        pytest.param("0 2 * * *", "Etc/UTC", "2026-11-21T01:59:59", "2026-11-21T02:00:00+00:00", id="tonight"),
        pytest.param("0 2 * * *", "Etc/UTC", "2026-11-21T02:00:00", "2026-11-22T02:00:00+00:00", id="later than after"),
        pytest.param("0 2 * * 1-5", BERLIN, "2026-11-21T00:00:00", "2026-11-23T02:00:00+01:00", id="on a weekday"),
        pytest.param(
            "30 2 * * *", BERLIN, "2026-03-29T00:00:00", "2026-03-29T03:00:00+02:00", id="in an hour left out"
        ),
        pytest.param(
            "30 2 * * *", BERLIN, "2026-10-25T00:15:00", "2026-10-25T02:30:00+02:00", id="in an hour there twice"
        ),
        pytest.param("30 2 * * *", BERLIN, "2026-10-25T00:45:00", "2026-10-26T02:30:00+01:00", id="and only once"),
        pytest.param(
            "30 2 * * *", BERLIN, "2026-10-25T01:15:00", "2026-10-26T02:30:00+01:00", id="not in its second pass"
        ),
        pytest.param(
            "*/30 * * * *", BERLIN, "2026-10-25T00:45:00", "2026-10-25T02:00:00+01:00", id="each half hour goes on"
        ),
        pytest.param("0 0 29 2 *", "Etc/UTC", "2026-11-21T00:00:00", "2028-02-29T00:00:00+00:00", id="in a leap year"),
    ],
)
def test_a_window_opens_as_debians_cron_would(schedule: str, zone: str, after: str, opens: str) -> None:
    found = next_opening(schedule, zone, utc(after))
    assert found is not None
    assert found.isoformat() == opens


@given(SCHEDULES, ZONES, MOMENTS, st.timedeltas(timedelta(0), timedelta(days=2)))
def test_no_opening_is_missed_and_none_lies_in_the_past(
    schedule: str, zone: str, after: datetime, step: timedelta
) -> None:
    first, later = next_opening(schedule, zone, after), next_opening(schedule, zone, after + step)
    assert first is not None
    assert later is not None
    assert first.timestamp() > after.timestamp()
    if first.timestamp() > (after + step).timestamp():
        assert later.timestamp() == first.timestamp()
    else:
        assert later.timestamp() > first.timestamp()


@pytest.mark.parametrize(
    ("schedule", "zone", "says"),
    [
        ("61 2 * * *", BERLIN, "'61 2 * * *' is no cron schedule (Bad minute); write one such as '0 2 * * 1-5'"),
        ("0 2 * * MOO", BERLIN, "(Bad day-of-week)"),
        ("0 0 30 2 *", BERLIN, "(Bad day-of-month)"),
        ("0 2 * * *", "Europe/Brlin", "'Europe/Brlin' is no time zone of the IANA database"),
        ("0 2 * * *", "Europe", "'Europe' is no time zone"),
        ("0 2 * * *", "../../etc/passwd", "is no time zone"),
    ],
)
def test_what_no_device_could_follow_is_said(schedule: str, zone: str, says: str) -> None:
    assert says in problem(schedule, zone)


def test_a_window_that_cel_cannot_judge_is_refused_with_what_to_write() -> None:
    with pytest.raises(ValidationError, match="is no cron schedule"):
        Window.model_validate({"schedule": "0 25 * * *", "duration": "1h"})
    with pytest.raises(ValidationError, match="at most 366d"):
        Window.model_validate({"schedule": "0 2 * * *", "duration": "99999999999999d"})
    with pytest.raises(ValidationError, match="is no time zone"):
        Window.model_validate({"schedule": "0 2 * * *", "duration": "1h", "timeZone": "Mars/Olympus"})
    assert Window.model_validate({"schedule": "0 2 * * *", "duration": "1h"}).time_zone == "Etc/UTC"
