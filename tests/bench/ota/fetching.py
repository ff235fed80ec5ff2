"""What a download takes of a device's link: how closely the cap is kept, and what three cuts cost.

Called by `make bench-ota`. All of it waits for time to pass, so the downloads run together, each with a cap of its own.
"""

import asyncio
import contextlib
import os
import tempfile
import time
from pathlib import Path

from aiohttp import web

from edgewise_runtime.agent.fetch import Access, Fetcher, Order
from edgewise_runtime.agent.fetch.throttle import Throttle
from tests.bench.figures import Figure, Report
from tests.runtime.agent.documents import source
from tests.runtime.agent.fileserver import FileServer, file_server

SECONDS = 10.0
CAPS = {"64 KiB/s": 2**16, "512 KiB/s": 2**19, "4 MiB/s": 2**22}
LINK = 125_000  # bytes a second: 1 Mbit/s
CUTS = (300_000, 250_000, 400_000)
SIZE = 1_200_000


def figures(report: Report) -> None:
    asyncio.run(_measured(report))


async def _measured(report: Report) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with file_server() as server:
            capped = [_capped(server, Path(folder), rate) for rate in CAPS.values()]
            shares, cost = await asyncio.gather(asyncio.gather(*capped), _cut(server, Path(folder)))
    for name, share in zip(CAPS, shares, strict=True):
        report.add(Figure(f"fetching: what passes in 10 s at a cap of {name} / the cap", share, "", "less", 1.05, max))
        report.add(Figure(f"fetching: the same, at its least ({name})", share, "", "more", 0.95, min))
    report.add(Figure("fetching: bytes over a 1 Mbit/s link with three cuts / the file's", [cost], "", "less", 1.1))


async def _capped(server: FileServer, folder: Path, rate: int) -> list[float]:
    """Share of the cap in three windows of 10 s, a second apart; the first one begins with the first bytes."""
    content = os.urandom(int(rate * (SECONDS + 2.5)))
    what, throttle, passed = source(server.add(f"/{rate}", content), content), Throttle(), list[tuple[float, int]]()
    throttle.rate = rate
    fetcher = Fetcher(Access(folder, frozenset({"127.0.0.1"})), throttle)
    await fetcher.fetch(
        Order(what, folder / f"{rate}.part", 2**40, lambda size: passed.append((time.monotonic(), size)))
    )
    windows = [(passed[0][0] + later, passed[0][0] + later + SECONDS) for later in (0.0, 1.0, 2.0)]
    return [(_at(passed, end) - _at(passed, start)) / (rate * SECONDS) for start, end in windows]


def _at(passed: list[tuple[float, int]], moment: float) -> int:
    """Bytes that had come by then."""
    return max((size for when, size in passed if when <= moment), default=0)


async def _cut(server: FileServer, folder: Path) -> float:
    """Bytes that the server put on the link / those of the file."""
    content, sent = os.urandom(SIZE), list[int]()
    what = source(server.add("/cut", content), content, size=SIZE)

    async def paced(request: web.Request, whole: bytes) -> web.StreamResponse:
        most = CUTS[len(sent)] if len(sent) < len(CUTS) else SIZE
        sent.append(0)
        return await _on_a_thin_link(request, whole, most, sent)

    server.faults["/cut"] = [paced] * (len(CUTS) + 1)
    fetcher = Fetcher(Access(folder, frozenset({"127.0.0.1"})))
    await fetcher.fetch(Order(what, folder / "cut.part", 2**40))
    return sum(sent) / SIZE


async def _on_a_thin_link(request: web.Request, whole: bytes, most: int, sent: list[int]) -> web.StreamResponse:
    offset = request.http_range.start or 0
    response = web.StreamResponse(status=206 if offset else 200)
    response.content_length = len(whole) - offset
    if offset:
        response.headers["Content-Range"] = f"bytes {offset}-{len(whole) - 1}/{len(whole)}"
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        while offset + sent[-1] < len(whole) and sent[-1] < most:
            piece = whole[offset + sent[-1] :][: LINK // 20]
            await response.write(piece)
            sent[-1] += len(piece)
            await asyncio.sleep(len(piece) / LINK)
        if sent[-1] >= most and request.transport is not None:
            request.transport.abort()
    return response
