"""A clock that was wrong is not believed: not behind what was known, nor away from the operator's."""

from __future__ import annotations

import asyncio
import contextlib
from email.utils import formatdate
from pathlib import Path

import pytest

from edgewise_runtime.agent.clock import FILE, Clock
from tests.runtime.agent.waiting import until

TODAY = 2_000_000_000.0
YEAR = 365 * 86_400.0


class Watch:
    """What the device believes."""

    def __init__(self, time: float = TODAY) -> None:
        self.time = time

    def __call__(self) -> float:
        return self.time


async def keep(clock: Clock, folder: Path) -> None:
    """Let it write down the time once."""
    (folder / FILE).unlink(missing_ok=True)
    task = asyncio.ensure_future(clock.run())
    await until((folder / FILE).exists, "the time is kept")
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def test_a_board_that_wakes_up_in_1970_is_not_believed(tmp_path: Path) -> None:
    assert "the device's clock says 1970-01-01T00:00Z, but it was" in Clock(tmp_path, Watch(0.0)).doubt()
    assert Clock(tmp_path, Watch()).doubt() == ""


async def test_the_time_never_goes_back_behind_what_was_known_before_a_restart(tmp_path: Path) -> None:
    await keep(Clock(tmp_path, Watch()), tmp_path)
    assert Clock(tmp_path, Watch(TODAY + 1)).doubt() == ""
    assert "but it was 2033-05-18T03:33Z before" in Clock(tmp_path, Watch(TODAY - 3600)).doubt()


@pytest.mark.parametrize(("off", "believed"), [(0, True), (299, True), (-299, True), (302, False), (-YEAR, False)])
def test_the_operators_time_decides_once_it_was_heard(tmp_path: Path, off: float, believed: bool) -> None:
    clock = Clock(tmp_path, Watch(TODAY + off))
    clock.heard(formatdate(TODAY, usegmt=True))
    assert (clock.doubt() == "") is believed


async def test_a_clock_that_was_once_a_year_ahead_is_right_again_when_the_operator_says_so(tmp_path: Path) -> None:
    await keep(Clock(tmp_path, Watch(TODAY + YEAR)), tmp_path)
    clock = Clock(tmp_path, Watch())
    assert clock.doubt()
    clock.heard(formatdate(TODAY, usegmt=True))
    assert not clock.doubt()
    await keep(clock, tmp_path)
    assert not Clock(tmp_path, Watch()).doubt()


@pytest.mark.parametrize("date", ["", "yesterday", "Sat, 99 Nov 2026 20:27:00 GMT"])
def test_an_answer_without_a_usable_date_changes_nothing(tmp_path: Path, date: str) -> None:
    clock = Clock(tmp_path, Watch())
    clock.heard(date)
    assert clock.doubt() == ""


def test_a_damaged_file_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"\xff\x00")
    assert Clock(tmp_path, Watch()).doubt() == ""
