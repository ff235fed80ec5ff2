"""Killed before any step of a switch, a device serves the old release or the new one afterwards, never half of one."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Literal

import pytest

from edgewise.contract.plan import Plan, PlanServing
from tests.runtime.agent.devices import device, mount
from tests.runtime.agent.documents import plan, release, source
from tests.runtime.agent.fileserver import FileServer, file_server, status
from tests.runtime.agent.tinymodels import scaling
from tests.runtime.agent.waiting import until

ONE, TWO = scaling(1), scaling(2, padding=100_000)
STEPS_AT_MOST = 80


@pytest.fixture
async def server() -> AsyncIterator[FileServer]:
    async with file_server() as running:
        running.add("/r1", ONE)
        running.add("/r2", TWO)
        yield running


def wanting(server: FileServer, sequence: int, name: str, switch: Literal["Beside", "InPlace"] = "Beside") -> Plan:
    releases = {
        "r1": release("r1", {"digits": source(server.url + "/r1", ONE)}),
        "r2": release("r2", {"digits": source(server.url + "/r2", TWO)}),
    }
    return plan(sequence, *releases.values(), target=name, stable="r1", serving=PlanServing(switch=switch))


async def prepared(server: FileServer, root: Path, switch: Literal["Beside", "InPlace"] = "Beside") -> Path:
    """A device that serves r1 and will find that r2 is wanted."""
    root.mkdir()
    async with device(root) as edge:
        await edge.follow(wanting(server, 1, "r1"))
        await edge.until_serving("r1")
    mount(root / "plan", wanting(server, 2, "r2", switch))
    return root


@contextlib.asynccontextmanager
async def mortals() -> AsyncIterator[Callable[[Path, int], Awaitable[int]]]:
    """Has a device on a folder follow its plan to r2 and die before a step; exit status of its process."""
    pipe = asyncio.subprocess.PIPE
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.runtime.agent.dying", stdin=pipe, stdout=pipe
    )
    assert program.stdin is not None
    assert program.stdout is not None
    talk, listen = program.stdin, program.stdout

    async def live(root: Path, step: int) -> int:
        talk.write(f"{step} r2 {root}\n".encode())
        return int(await listen.readline())

    try:
        yield live
    finally:
        talk.close()
        await program.wait()


@pytest.mark.parametrize("switch", ["Beside", "InPlace"])
async def test_a_crash_before_any_step_leaves_the_old_release_or_the_new_one(
    server: FileServer, tmp_path: Path, switch: Literal["Beside", "InPlace"]
) -> None:
    before = await prepared(server, tmp_path / "before", switch)
    async with mortals() as live:
        for step in itertools.count():
            root = tmp_path / f"step-{step}"
            shutil.copytree(before, root, symlinks=True)
            code = await live(root, step)
            if code == 0:
                break
            assert code == -signal.SIGKILL, f"the device fell over by itself at step {step}"
            assert step < STEPS_AT_MOST
            server.faults["/r2"] = [status(503)]
            await live_on(root, wanting(server, 3, "r2", switch), f"after a crash at step {step}")
            server.faults.clear()
    assert step > 10, "the steps of a switch were not all met"


async def live_on(root: Path, newer: Plan, when: str) -> None:
    """A device serves one release or the other at once, and with a newer plan the new one."""
    async with device(root) as edge:
        await until(lambda: edge.models.ready, f"anything is served {when}")
        assert (edge.models.release, edge.answer()) in (("r1", 1), ("r2", 2)), when
        await until(lambda: edge.goes_for("r2"), f"it looked at r2, of which it may have died, {when}")
        await edge.follow(newer)
        await edge.until_serving("r2")
        assert edge.answer() == 2, when


async def test_a_device_killed_in_the_middle_of_a_download_goes_on_where_it_was(
    server: FileServer, tmp_path: Path
) -> None:
    root = await prepared(server, tmp_path / "device")
    server.faults["/r2"] = [server.stall_after(60_000)]
    program = ("-m", "tests.runtime.agent.dying", str(10_000), "r2", str(root))
    process = await asyncio.create_subprocess_exec(sys.executable, *program)
    parts = root / "cache" / "partial"
    await until(
        lambda: [part for part in parts.glob("*.part") if part.stat().st_size == 60_000], "half of the file is there"
    )
    process.kill()
    await process.wait()
    async with device(root) as edge:
        await edge.until_serving("r2")
        assert edge.answer() == 2
    assert server.requests_for("/r2")[-1]["Range"] == "bytes=60000-"
