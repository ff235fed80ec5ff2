"""Counts that outlast the process: kept at switches, at a regular end, and now and then in between."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from edgewise.contract.plan import Plan
from edgewise_runtime.agent import counting, kept
from edgewise_runtime.agent.counting import TALLIES, Counting
from edgewise_runtime.agent.plans import Plans
from edgewise_runtime.agent.progress import Progress
from edgewise_runtime.models import Models
from tests.runtime.agent.devices import mount
from tests.runtime.agent.documents import PROFILE, UID, plan, release, source, then
from tests.runtime.agent.waiting import until

RELEASE = release("r1", {"digits": source("https://files/1", b"1")})
NEXT = release("r2", {"digits": source("https://files/2", b"2")})
SETTLED = plan(1, RELEASE, stable="r1")
ROLLING = then(SETTLED, plan(2, NEXT))


class Counter:
    """What counts on a device, on a folder that outlasts it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.file = root / "cache" / UID / PROFILE / TALLIES
        self.plans = Plans(root / "cache", root / "plan")
        self.models = Models()
        self.progress = Progress()
        self.counting = Counting(PROFILE, self.plans, self.models, self.progress)

    async def follow(self, document: Plan) -> None:
        mount(self.root / "plan", document)
        await self.plans.poll()

    def serve(self, name: str) -> None:
        """As switching does: first the models, then the word."""
        self.models.replace({}, name)
        self.progress.bell.ring()

    def ask(self, requests: int, name: str = "r1") -> None:
        for _ in range(requests):
            self.models.tallies.of(name).enter(0.01)
            self.models.tallies.of(name).answers("digits").enter(0.01, 0.9)

    def counted(self, name: str = "r1") -> int:
        return self.models.tallies.of(name).requests

    @property
    def kept(self) -> dict[str, int]:
        """Release -> requests, as they are on disk."""
        try:
            document: dict[str, Any] = json.loads(self.file.read_bytes())
        except FileNotFoundError:
            return {}
        return {name: kept["counters"]["requests"] for name, kept in document.items()}


@contextlib.asynccontextmanager
async def counter(root: Path, document: Plan | None = SETTLED) -> AsyncIterator[Counter]:
    """On until the block ends, then off as by SIGTERM."""
    one = Counter(root)
    if document is not None:
        await one.follow(document)
    task = asyncio.ensure_future(one.counting.run())
    await asyncio.sleep(0)  # begun
    try:
        yield one
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_counts_go_on_after_a_restart(tmp_path: Path) -> None:
    async with counter(tmp_path) as first:
        first.serve("r1")
        first.ask(7)
        first.models.tallies.of("r1").engine_failed("it broke")
    async with counter(tmp_path) as second:
        await until(lambda: second.counted() == 7, "the counts are read")
        assert list(second.models.tallies.of("r1").failed) == [7]
        second.serve("r1")
        second.ask(3)
    async with counter(tmp_path) as third:
        await until(lambda: third.counted() == 10, "the counts are read")
        tally = third.models.tallies.of("r1")
        assert sum(tally.answers("digits").seconds) == sum(tally.answers("digits").confidence) == 10


async def test_a_switch_is_written_at_once_and_requests_alone_are_not(tmp_path: Path) -> None:
    async with counter(tmp_path) as device:
        device.serve("r1")
        await until(lambda: device.kept == {"r1": 0}, "the first release is written")
        device.ask(7)
        device.progress.bell.ring()
        device.serve("r2")
        await until(lambda: device.kept == {"r1": 7, "r2": 0}, "the switch is written")
        before = device.file.stat().st_ino
        device.ask(5, "r2")
        for _ in range(20):
            device.progress.bell.ring()
            await asyncio.sleep(0.005)
        assert (device.kept, device.file.stat().st_ino) == ({"r1": 7, "r2": 0}, before)


async def test_a_slow_write_does_not_overtake_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, write = threading.Event(), kept.write

    def slow_once(path: Path, document: bytes) -> None:
        if not begun.is_set():
            begun.set()
            time.sleep(0.3)  # a worn flash
        write(path, document)

    monkeypatch.setattr(kept, "write", slow_once)
    async with counter(tmp_path) as device:
        device.serve("r1")
        await until(begun.is_set, "the switch is being written")
        device.ask(7)
    await until(lambda: device.kept, "all is written")
    await asyncio.sleep(0.4)
    assert device.kept == {"r1": 7}


async def test_in_a_rollout_requests_are_written_when_their_time_has_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "ROLLING_SECONDS", 0.05)
    async with counter(tmp_path) as device:
        device.serve("r1")
        await until(lambda: device.kept == {"r1": 0}, "the first release is written")
        device.ask(7)
        await device.follow(ROLLING)
        await until(lambda: device.kept == {"r1": 7}, "the requests are written")
        before = device.file.stat().st_ino
        device.ask(1)
        await until(lambda: device.kept == {"r1": 8}, "they are written again")
        assert device.file.stat().st_ino != before


async def test_nothing_is_written_where_nothing_was_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "ROLLING_SECONDS", 0.001)
    async with counter(tmp_path, ROLLING) as device:
        device.serve("r1")
        await until(lambda: device.kept == {"r1": 0}, "the first release is written")
        before = device.file.stat().st_ino
        await asyncio.sleep(0.1)
    assert device.file.stat().st_ino == before


async def test_a_power_cut_costs_what_was_not_written_and_no_more(tmp_path: Path) -> None:
    async with counter(tmp_path) as device:
        device.ask(7)
        device.serve("r1")
        await until(lambda: device.kept == {"r1": 7}, "the switch is written")
        device.ask(5)
        async with counter(tmp_path) as after_the_cut:
            await until(lambda: after_the_cut.counted() == 7, "the counts are read")


async def test_what_was_counted_before_the_plan_came_is_added_to_what_was_kept(tmp_path: Path) -> None:
    async with counter(tmp_path) as first:
        first.ask(7)
        first.serve("r1")
    async with counter(tmp_path, None) as device:
        device.ask(2)
        await device.follow(SETTLED.model_copy(update={"sequence": 5}))
        device.serve("r1")
        await until(lambda: device.kept == {"r1": 9}, "both are written")
    assert device.counted() == 9


@pytest.mark.parametrize("content", [b"", b"{", b'{"r1": 7}', b'{"r1": {"counters": {"requests": -7}}}'])
async def test_a_file_that_cannot_be_read_is_replaced(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cache" / UID / PROFILE / TALLIES
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    async with counter(tmp_path) as device:
        device.serve("r1")
        await until(lambda: path.read_bytes().startswith(b'{"r1":{"counters":'), "it is written anew")
    assert device.kept == {"r1": 0}


async def test_a_disk_that_takes_nothing_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with counter(tmp_path) as device:
        device.file.parent.parent.mkdir(parents=True, exist_ok=True)
        device.file.parent.write_text("in the way")
        device.serve("r1")
        await until(lambda: "cannot be kept for the next start" in caplog.text, "it is logged")
        device.ask(3)
    assert device.counted() == 3
