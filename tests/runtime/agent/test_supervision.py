from __future__ import annotations

import asyncio
import contextlib

import pytest

from edgewise_runtime.agent import supervision
from tests.runtime.agent.waiting import until


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
