"""Folders of deployments that are gone: removed after a month of days, whatever the clock says, and nobody else's."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgewise.contract.plan import PLAN_KEY
from edgewise_runtime.agent import departed
from edgewise_runtime.agent.cache import Cache
from edgewise_runtime.agent.departed import DAYS, RECORD
from edgewise_runtime.agent.housekeeping import Housekeeping
from edgewise_runtime.agent.lastgood import SERVING
from edgewise_runtime.agent.plans import Plans
from edgewise_runtime.agent.switching import Device
from tests.runtime.agent.documents import plan, release, source
from tests.runtime.agent.test_cache import put
from tests.runtime.agent.waiting import until

BLOB = b"a model"


def lives(cache: Path, uid: str, profile: str = "cpu") -> tuple[Path, Path]:
    """A deployment with a profile, and a spool; its folders."""
    home, here = cache / uid, cache / uid / profile
    for path in (home / PLAN_KEY, here / SERVING, here / "tallies.json", home / "spool" / "1.npz"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    return home, here


def signs(*folders: Path) -> None:
    for folder in folders:
        for file in (folder / PLAN_KEY, folder / SERVING):
            departed.sign(file)


def days(cache: Path, mine: tuple[Path, Path], count: int = 1) -> None:
    """That pass while the owner of `mine` is alive and looks."""
    for _ in range(count):
        for record in cache.rglob(RECORD):
            before = record.stat().st_mtime - 86_400
            os.utime(record, (before, before))
        departed.clear(cache, mine)


@pytest.fixture
def mine(tmp_path: Path) -> tuple[Path, Path]:
    """Where the caller lives, and a model."""
    put(Cache(tmp_path), BLOB, 1e9)
    return lives(tmp_path, "me")


def files(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path.name != RECORD}


def test_what_one_left_who_is_gone_goes_after_thirty_days(tmp_path: Path, mine: tuple[Path, Path]) -> None:
    before = files(tmp_path)
    home, _ = lives(tmp_path, "gone")
    departed.clear(tmp_path, mine)
    days(tmp_path, mine, DAYS - 1)
    assert home.exists()
    days(tmp_path, mine)
    assert not home.exists()
    assert files(tmp_path) == before


def test_a_profile_that_the_node_has_no_more_goes_by_itself(tmp_path: Path, mine: tuple[Path, Path]) -> None:
    _, earlier = lives(tmp_path, "me", "jetson")
    departed.clear(tmp_path, mine)
    days(tmp_path, mine, DAYS)
    assert (earlier.exists(), all(folder.exists() for folder in mine)) == (False, True)


def test_whoever_gives_a_sign_now_and_then_stays(tmp_path: Path, mine: tuple[Path, Path]) -> None:
    theirs = lives(tmp_path, "them")
    for _ in range(4):
        days(tmp_path, mine, DAYS - 1)
        signs(*theirs)
    days(tmp_path, mine, DAYS - 1)
    assert files(tmp_path / "them") == files(tmp_path / "me")


def test_many_looks_of_one_day_are_one(tmp_path: Path, mine: tuple[Path, Path]) -> None:
    """A pod that starts over and over, or several that look."""
    home, _ = lives(tmp_path, "them")
    for _ in range(3 * DAYS):
        departed.clear(tmp_path, mine)
    assert home.exists()


@pytest.mark.parametrize("when", [0.0, 1e9, 9e9], ids=["1970", "long ago", "the future"])
def test_what_the_clock_said_at_the_last_sign_is_no_matter(
    tmp_path: Path, mine: tuple[Path, Path], when: float
) -> None:
    """The device was off for years, or its clock was."""
    home, here = lives(tmp_path, "them")
    for file in (home / PLAN_KEY, here / SERVING):
        os.utime(file, (when, when))
    departed.clear(tmp_path, mine)
    for record in tmp_path.rglob(RECORD):
        os.utime(record, (when, when))
    departed.clear(tmp_path, mine)
    assert files(home) == files(mine[0])


def test_folders_of_others_are_none_of_our_business(tmp_path: Path, mine: tuple[Path, Path]) -> None:
    for name in ("lost+found/x", f"backup/{RECORD}", "deep/er/file"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("theirs")
    days(tmp_path, mine, 2 * DAYS)
    assert all((tmp_path / name).exists() for name in ("lost+found/x", f"backup/{RECORD}", "deep/er/file"))


class KilledError(BaseException):
    """As if by SIGKILL."""


def deadly(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ends the program before its change number `step` of the disk."""
    count = itertools.count()

    def wrap(change: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if next(count) == step:
                raise KilledError
            return change(*arguments, **options)

        return call

    for name in ("unlink", "rmdir", "replace"):
        monkeypatch.setattr(os, name, wrap(getattr(os, name)))


def killed_at_every_step(cache: Path, mine: tuple[Path, Path]) -> Iterator[int]:
    """Steps of the last day of somebody who is gone; each time as far as the step, then killed."""
    for step in itertools.count():
        lives(cache, "gone")
        departed.clear(cache, mine)
        days(cache, mine, DAYS - 1)
        with pytest.MonkeyPatch.context() as patch:
            deadly(step, patch)
            try:
                days(cache, mine)
            except KilledError:
                pass
            else:
                break
        yield step


def test_a_kill_at_any_step_leaves_what_the_next_looks_remove(tmp_path: Path, mine: tuple[Path, Path]) -> None:
    before, steps = files(tmp_path), 0
    for _ in killed_at_every_step(tmp_path, mine):
        days(tmp_path, mine, 2)
        assert not any((tmp_path / "gone").glob("*")), "an empty folder at most"
        assert files(tmp_path) == before
        steps += 1
    assert steps > 6


def test_who_comes_back_while_he_is_being_removed_stays(tmp_path: Path, mine: tuple[Path, Path]) -> None:
    for _ in killed_at_every_step(tmp_path, mine):
        home, _ = lives(tmp_path, "gone")
        days(tmp_path, mine, 2)
        assert files(home) == files(mine[0])


async def test_housekeeping_gives_the_sign_and_looks_at_the_others(tmp_path: Path) -> None:
    document = plan(1, release("r", {"m": source("https://m/m", BLOB)}), uid="me")
    plans = Plans(tmp_path, tmp_path)
    plans.current = document
    mine, theirs = lives(tmp_path, "me"), lives(tmp_path, "gone")
    departed.clear(tmp_path, mine)
    days(tmp_path, mine, DAYS - 1)
    for file in (mine[0] / PLAN_KEY, mine[1] / SERVING, theirs[0] / RECORD, theirs[1] / RECORD):
        os.utime(file, (1e9, 1e9))
    running = asyncio.ensure_future(Housekeeping(Device("node", "cpu", tmp_path), plans, Cache(tmp_path)).run())
    try:
        await until(lambda: not theirs[0].exists(), "the folder to go")
    finally:
        running.cancel()
    assert min((mine[0] / PLAN_KEY).stat().st_mtime, (mine[1] / SERVING).stat().st_mtime) > 1e9
