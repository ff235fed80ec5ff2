"""SIGKILL at any moment: what was kept stays kept, what is found is whole, and the limit holds."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from pathlib import Path

from edgewise_runtime.spool.store import BLOCK
from tests.runtime.spool.dying import LIMIT
from tests.runtime.spool.examples import NOW, on_disk, packed, store

KILLS = 10  # tests/bench/hybrid/spool.py does 200
SAFE = LIMIT // (3 * BLOCK)  # examples of the largest size that the spool holds


async def killed(folder: Path, first: int, kept: int) -> int:
    """Starts at example `first`, is killed a moment after it has spoken of `kept`; the last that it spoke of."""
    program = ("-m", "tests.runtime.spool.dying", str(folder), str(first), "-1")
    process = await asyncio.create_subprocess_exec(sys.executable, *program, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    for _ in range(kept):
        await process.stdout.readline()
    await asyncio.sleep(random.uniform(0, 0.01))
    process.kill()
    rest = await process.stdout.read()
    assert await process.wait() == -signal.SIGKILL
    said = rest.split(b"\n")[:-1]
    return int(said[-1]) if said else first + kept - 1


def sound(folder: Path) -> list[float]:
    """When each was taken that a start finds; whatever is torn fails the test."""
    found, dropped = store(folder, size=LIMIT, age=1e9)
    assert on_disk(folder) == found.held <= LIMIT
    taken = list[float]()
    while best := found.best(NOW):
        entry, data = best
        assert data == packed(size=30 * (round(entry.taken - NOW) % 97), seed=round(entry.taken - NOW))
        taken.append(entry.taken)
        found._entries.remove(entry)  # from memory alone: the file stays for the next start
    assert dropped == {}
    return taken


async def test_killed_again_and_again_nothing_is_torn_and_nothing_kept_is_lost(tmp_path: Path) -> None:
    first = 0
    for _ in range(KILLS):
        last = await killed(tmp_path, first, kept=random.randint(1, 15))
        there = {round(taken - NOW) for taken in sound(tmp_path)}
        most_valuable = [seed for seed in range(first, last + 1) if seed % 7 == 0][-SAFE:]
        assert set(most_valuable) <= there, "what nothing else may displace is gone"
        first = last + 2  # the one in between may or may not have been kept


async def test_killed_before_any_step_of_a_write_a_start_finds_all_that_was_kept(tmp_path: Path) -> None:
    for step in range(12):
        folder = tmp_path / str(step)
        program = ("-m", "tests.runtime.spool.dying", str(folder), "0", str(step))
        process = await asyncio.create_subprocess_exec(sys.executable, *program, stdout=asyncio.subprocess.PIPE)
        said, _ = await process.communicate()
        assert process.returncode == -signal.SIGKILL
        there = {round(taken - NOW) for taken in sound(folder)}
        kept = {int(line) for line in said.split()}
        assert kept <= there <= kept | {len(kept)}, f"after a crash before step {step}"
        assert on_disk(folder) == sum(BLOCK for _ in there)
