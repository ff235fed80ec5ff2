"""What was begun in a thread is ended, whoever was cancelled meanwhile."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import BinaryIO

import pytest

from edgewise_runtime.agent.fetch.partial import Partial
from edgewise_runtime.agent.threads import opened


async def test_a_file_is_closed_where_its_opening_was_cancelled(tmp_path: Path) -> None:
    begun, go_on, files = threading.Event(), threading.Event(), []

    def slowly() -> BinaryIO:
        begun.set()
        go_on.wait(10)
        files.append((tmp_path / "file").open("wb"))
        return files[0]

    async def use() -> None:
        async with opened(slowly):
            raise AssertionError("it was cancelled before")

    task = asyncio.ensure_future(use())
    await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    await asyncio.sleep(0.01)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert files[0].closed


async def test_a_file_is_open_until_the_block_ends(tmp_path: Path) -> None:
    async with opened(lambda: (tmp_path / "file").open("wb")) as file:
        file.write(b"1")
    assert file.closed


async def test_an_error_in_opening_is_passed_on(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        async with opened(Partial, tmp_path):
            raise AssertionError("there is nothing to open")
