"""What a device serves after a power cut at any step of a switch, and how soon after its process died of a release.

Called by `make bench-ota`. The devices are processes of their own.
"""

import asyncio
import itertools
import shutil
import tempfile
import time
from pathlib import Path

import aiohttp

from tests.bench.figures import Figure, Report
from tests.runtime.agent.devices import device, mount, one_model
from tests.runtime.agent.documents import then
from tests.runtime.agent.fileserver import FileServer, file_server
from tests.runtime.agent.pods import Pod, pod
from tests.runtime.agent.test_crashes import ONE, TWO, mortals, prepared
from tests.runtime.agent.waiting import until

RETURNS = 5


def figures(report: Report) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_cut(report, Path(folder)))
    asyncio.run(_died(report))


async def _cut(report: Report, folder: Path) -> None:
    """SIGKILL before each call that changes the disk or what is served."""
    async with file_server() as files, mortals() as live:
        files.add("/r1", ONE)
        files.add("/r2", TWO)
        before = await prepared(files, folder / "before")
        whole = []
        for step in itertools.count():
            root = folder / f"step-{step}"
            shutil.copytree(before, root, symlinks=True)
            if await live(root, step) == 0:
                break
            whole.append(float(await _whole(root)))
    name = f"power cut at each of {len(whole)} steps of a switch: the old or the new release serves"
    report.add(Figure(name, [100 * share for share in whole], "%", "more", 100.0, min))


async def _whole(root: Path) -> bool:
    """Whether a device that starts from what is left serves one release or the other, whole."""
    async with device(root) as edge:
        await until(lambda: edge.models.ready, "anything is served")
        return (edge.models.release, edge.answer()) in (("r1", 1), ("r2", 2))


async def _died(report: Report) -> None:
    """Each return beside an ordinary restart: most of either is Python's and the engine's start."""
    usual, back = [], []
    for _ in range(RETURNS):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            async with file_server() as files:
                await _serving_two(root, files)
            usual.append(await _start(root, "r2", 2, kill=True))
            back.append(await _start(root, "r1", 1, kill=False))
    raw = {"after its death": back, "ordinary restart": usual}
    report.add(Figure("device return, a release that takes the process down", back, "s", "less", 2.0, raw=raw))
    shares = [one / other for one, other in zip(back, usual, strict=True)]
    report.add(Figure("the same / an ordinary restart", shares, "", "less", raw=raw))


async def _serving_two(root: Path, files: FileServer) -> None:
    """r2 since a moment ago, after r1."""
    first = one_model(files, "r1", ONE)
    mount(root / "plan", first)
    async with pod(root) as edge:
        await until(lambda: edge.served("r1"), "r1 serves")
        mount(root / "plan", then(first, one_model(files, "r2", TWO)))
        await until(lambda: edge.served("r2"), "r2 serves")
        await edge.stop()


async def _start(root: Path, release: str, answer: float, kill: bool) -> float:
    """Seconds from the start of the process to its first answer."""
    began = time.monotonic()
    async with pod(root) as edge, aiohttp.ClientSession() as http:
        await until(lambda: edge.served(release), f"{release} serves")
        took = await _answered(edge, http, answer, began)
        if kill:
            edge.process.kill()
            await edge.process.wait()
        return took


async def _answered(edge: Pod, http: aiohttp.ClientSession, answer: float, began: float) -> float:
    assert await edge.ask(http) == (200, answer)
    return time.monotonic() - began
