"""Who has to wait for a window, and for how long."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from edgewise.api.names import Reason
from edgewise.contract.plan import Plan, PlanWindow
from edgewise_runtime.agent.clock import Clock
from edgewise_runtime.agent.holds import Holds
from edgewise_runtime.agent.permission import Permission, closed_window
from tests.runtime.agent.documents import plan, release

NIGHTLY = PlanWindow(schedule="0 2 * * *", duration_seconds=2 * 3600, time_zone="Europe/Berlin")
NOON = "2030-06-01T12:00:00"
RELEASES = [release(name, {}) for name in ("r1", "r2")]


def at(text: str, folder: Path) -> Clock:
    """A clock that says so, in UTC."""
    moment = datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp()
    return Clock(folder, lambda: moment)


@pytest.mark.parametrize(
    ("moment", "open_"),
    [
        ("2030-06-01T00:00:00", True),
        ("2030-06-01T01:59:59", True),
        ("2030-06-01T02:00:00", False),
        ("2030-05-31T23:59:59", False),
        pytest.param("2030-03-31T01:00:00", True, id="opens at three on the night that has no two"),
        pytest.param("2030-03-31T02:59:59", True, id="for two hours all the same"),
        pytest.param("2030-03-31T03:00:00", False, id="and no longer"),
        pytest.param("2030-10-27T00:00:00", True, id="opens at the first two of the night that has two"),
        pytest.param("2030-10-27T01:59:59", True, id="for two hours, not three"),
        pytest.param("2030-10-27T02:00:00", False, id="closed at the third"),
    ],
)
def test_a_window_is_open_for_its_duration(tmp_path: Path, moment: str, open_: bool) -> None:
    assert (closed_window(NIGHTLY, at(moment, tmp_path)) is None) is open_


def test_a_closed_window_says_when_it_opens(tmp_path: Path) -> None:
    assert closed_window(NIGHTLY, at(NOON, tmp_path)) == (
        "rollout.window opens at 2030-06-02T02:00+02:00 (Europe/Berlin)", 60.0
    )  # fmt: skip
    last = closed_window(NIGHTLY, at("2030-05-31T23:59:50", tmp_path))
    assert last is not None
    assert last[1] == 10.0


@pytest.mark.parametrize(
    ("window", "says"),
    [
        (
            NIGHTLY.model_copy(update={"time_zone": "Mars/Olympus"}),
            "cannot be followed here: 'Mars/Olympus' is no time",
        ),
        (NIGHTLY.model_copy(update={"schedule": "nightly"}), "cannot be followed here: 'nightly' is no cron schedule"),
    ],
)
def test_a_window_that_cannot_be_read_stays_closed(tmp_path: Path, window: PlanWindow, says: str) -> None:
    closed = closed_window(window, at(NOON, tmp_path))
    assert closed is not None
    assert says in closed[0]


def test_no_window_opens_while_the_clock_is_in_doubt(tmp_path: Path) -> None:
    always = PlanWindow(schedule="* * * * *", duration_seconds=3600)
    closed = closed_window(always, at("1970-01-01T00:10:00", tmp_path))
    assert closed is not None
    assert closed[0].startswith("no window opens while the device's clock says 1970-01-01T00:10Z")


@pytest.mark.parametrize(
    ("document", "to", "serving", "waits"),
    [
        pytest.param(plan(1, *RELEASES, stable="r1"), "r2", "r1", True, id="to the target"),
        pytest.param(plan(1, *RELEASES, stable="r2"), "r2", "r1", True, id="to a target that was promoted long ago"),
        pytest.param(plan(1, *RELEASES, stable="r1"), "r2", None, False, id="a device that serves nothing"),
        pytest.param(plan(1, *RELEASES, stable="r1"), "r2", "r2", False, id="to other options of what serves"),
        pytest.param(plan(1, *RELEASES, stable="r1"), "r1", "r2", False, id="back from a target it may not serve now"),
        pytest.param(plan(1, RELEASES[0], stable="r1", rejected=["r2"]), "r1", "r2", False, id="off a rejected one"),
        pytest.param(plan(1, RELEASES[0], stable="r1"), "r1", "r2", True, id="to what was promoted instead"),
    ],
)  # fmt: skip
async def test_only_who_changes_to_something_new_waits_for_the_window(
    tmp_path: Path, document: Plan, to: str, serving: str | None, waits: bool
) -> None:
    clock = at(NOON, tmp_path)
    permission = Permission(clock, Holds(tmp_path / "robot", 3600.0, lambda: tmp_path, clock))
    found = permission.wait(document.model_copy(update={"window": NIGHTLY}), to, serving)
    assert (found.reason if found else None) == (Reason.WINDOW_CLOSED if waits else None)


async def test_a_hold_is_honoured_whatever_the_window_says_but_not_by_a_device_that_serves_nothing(
    tmp_path: Path,
) -> None:
    clock = at("2030-06-01T00:30:00", tmp_path)
    holds = Holds(tmp_path / "robot", 3600.0, lambda: tmp_path, clock)
    await holds.put(60, "welding")
    document, permission = plan(1, *RELEASES, stable="r1", window=NIGHTLY), Permission(clock, holds)
    found = permission.wait(document, "r2", "r1")
    assert found is not None
    assert (found.reason, found.seconds) == (Reason.HELD, None)
    assert "held by its hold endpoint (welding), until" in found.message
    assert permission.wait(document, "r2", None) is None
