"""The agent's parts go on, whatever becomes of one of them."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from edgewise_runtime.agent import supervision
from tests.runtime.agent.waiting import until
from tests.unit.fake_time import run


async def test_a_part_that_fails_is_started_again_and_the_others_never_notice(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "backoff", lambda *_: 0.0)
    starts, beats = [], []

    async def buggy() -> None:
        starts.append(1)
        raise ZeroDivisionError

    async def steady() -> None:
        while True:
            beats.append(1)
            await asyncio.sleep(0)

    task = asyncio.ensure_future(supervision.keep_running({"buggy": buggy, "steady": steady}))
    await until(lambda: len(starts) >= 3 and len(beats) > 10, "the buggy part was started three times")
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert "a part of the agent failed; starting it again" in caplog.text
    assert caplog.records[0].__dict__["part"] == "buggy"


async def test_the_end_waits_for_what_each_part_has_to_do_then() -> None:
    written = []

    async def sleeper() -> None:
        await asyncio.sleep(3600)

    async def writer() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.05)
            written.append(1)

    task = asyncio.ensure_future(supervision.keep_running({"sleeper": sleeper, "writer": writer}))
    await asyncio.sleep(0.01)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert written == [1]


def test_a_part_that_was_well_for_a_while_is_started_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug that shows once a day must not cost more each day."""
    attempts: list[int] = []

    def noted(attempt: int, *_: float) -> float:
        attempts.append(attempt)
        return 1.0

    async def fails_at_once_twice_and_then_once_an_hour() -> None:
        if len(attempts) >= 2:
            await asyncio.sleep(3600)
        raise ZeroDivisionError

    async def script() -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            parts = {"part": fails_at_once_twice_and_then_once_an_hour}
            await asyncio.wait_for(supervision.keep_running(parts), 2.5 * 3600)

    monkeypatch.setattr(supervision, "backoff", noted)
    run(script())
    assert attempts == [0, 1, 0, 0]
