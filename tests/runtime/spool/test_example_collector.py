"""The collector of example 09 is a sink as docs/hybrid.md describes one."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgewise_runtime.pace import Pace
from edgewise_runtime.spool.record import identity
from edgewise_runtime.spool.sink import Sink, SinkError, Way
from tests.cluster.paths import REPOSITORY
from tests.cluster.ports import free_port
from tests.cluster.process import with_parent
from tests.runtime.spool.examples import packed, wanted
from tests.runtime.spool.ports import listening

PROGRAM = REPOSITORY / "examples" / "09-store-and-forward" / "collector" / "collector.py"
DATA = packed(size=5000)


@dataclass
class Collecting:
    sink: Sink
    folder: Path


@pytest.fixture
async def collector(tmp_path: Path) -> AsyncIterator[Collecting]:
    port = free_port()
    command = with_parent([sys.executable, str(PROGRAM), str(tmp_path), str(port)])
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    try:
        await listening(port)
        async with Sink(wanted(sink=f"http://127.0.0.1:{port}"), Way(tmp_path), Pace(None)) as sink:
            yield Collecting(sink, tmp_path)
    finally:
        process.terminate()
        await process.wait()


async def test_it_keeps_an_example_once(collector: Collecting) -> None:
    assert await collector.sink.put(identity(DATA), DATA) == "sent"
    assert await collector.sink.put(identity(DATA), DATA) == "known"
    assert {file.name: file.read_bytes() for file in collector.folder.iterdir()} == {f"{identity(DATA)}.npz": DATA}


async def test_what_was_damaged_on_the_way_is_asked_for_again(collector: Collecting) -> None:
    with pytest.raises(SinkError, match="HTTP 400"):
        await collector.sink.put(identity(DATA), packed(seed=1))
    assert await collector.sink.put(identity(DATA), DATA) == "sent"
