"""Two pods of a node that share a folder: a file comes over the link once, whatever happens to whoever fetches it."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgewise.contract.plan import Build
from edgewise_runtime.agent import claims
from edgewise_runtime.agent.cache import Cache, Room
from edgewise_runtime.agent.claims import Claim, promised
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.fetch import Access, Fetcher
from edgewise_runtime.agent.stock import Stock
from tests.runtime.agent.documents import sha256, source
from tests.runtime.agent.fetching import CONTENT, ROOM
from tests.runtime.agent.fileserver import FileServer, status
from tests.runtime.agent.waiting import until


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "LOOK_SECONDS", 0.02)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def build(uri: str, content: bytes = CONTENT) -> Build:
    what = source(uri, content, size=len(content))
    return Build(variant="fp32", format="ONNX", precision="FP32", source=what, memory=1)


def pod(folder: Path, access: Access) -> Stock:
    return Stock(Cache(folder), Fetcher(access))


async def obtain(stock: Stock, what: Build, limit: int = ROOM) -> bytes:
    return (await stock.obtain(what, Room(limit), lambda _: None)).read_bytes()


async def test_the_second_pod_waits_and_uses_what_the_first_one_fetched(
    server: FileServer, access: Access, folder: Path
) -> None:
    what = build(server.add("/m.onnx", CONTENT))
    pods = [pod(folder, access) for _ in range(3)]
    assert await asyncio.gather(*(obtain(one, what) for one in pods)) == [CONTENT] * 3
    assert len(server.requests_for("/m.onnx")) == 1


async def test_whoever_waits_tells_how_far_the_other_has_come(server: FileServer, access: Access, folder: Path) -> None:
    what, told = build(server.add("/m.onnx", CONTENT)), list[int]()
    server.faults["/m.onnx"] = [server.stall_after(100_000)]
    first = asyncio.ensure_future(obtain(pod(folder, access), what))
    await server.stalled.wait()
    second = asyncio.ensure_future(pod(folder, access).obtain(what, Room(ROOM), told.append))
    await until(lambda: 100_000 in told, "the second pod knows of the bytes of the first")
    assert await first == CONTENT
    assert (await second).read_bytes() == CONTENT


async def test_where_the_first_one_fails_the_second_one_goes_on_from_there(
    server: FileServer, access: Access, folder: Path
) -> None:
    what = build(server.add("/m.onnx", CONTENT))
    server.faults["/m.onnx"] = [server.stall_after(100_000), status(503)]
    first = asyncio.ensure_future(obtain(pod(folder, access), what))
    await server.stalled.wait()
    assert await obtain(pod(folder, access), what) == CONTENT
    with pytest.raises(Failure, match="503"):
        await first
    assert server.requests_for("/m.onnx")[-1]["Range"] == "bytes=100000-"


async def test_one_that_is_cancelled_leaves_its_bytes_and_its_claim_to_the_next(
    server: FileServer, access: Access, folder: Path
) -> None:
    what = build(server.add("/m.onnx", CONTENT))
    server.faults["/m.onnx"] = [server.stall_after(100_000)]
    first = asyncio.ensure_future(obtain(pod(folder, access), what))
    await server.stalled.wait()
    await until(lambda: Cache(folder).partial(sha256(CONTENT)).stat().st_size == 100_000, "they are on the disk")
    first.cancel()
    assert await obtain(pod(folder, access), what) == CONTENT
    assert server.requests_for("/m.onnx")[-1]["Range"] == "bytes=100000-"


HOLDER = """
import sys, time
from pathlib import Path
from edgewise_runtime.agent.claims import Claim
claim = Claim(Path(sys.argv[1]))
assert claim.take()
claim.promise(5)
print("held", flush=True)
time.sleep(600)
"""


def test_a_holder_that_is_killed_holds_nothing_any_more(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        claim = Claim(path)
        assert not claim.take()
        assert promised(path) == 5
        holder.send_signal(signal.SIGKILL)
    assert promised(path) is None
    assert claim.take()
    claim.give_back()


def test_who_locked_a_claim_that_was_just_given_back_has_not_got_it(tmp_path: Path) -> None:
    """The file he opened is no longer the one that others look at."""
    first, path = Claim(tmp_path / "x.lock"), tmp_path / "x.lock"
    assert first.take()
    late = path.open("r+b")
    first.give_back()
    assert not path.exists()
    fcntl.flock(late, fcntl.LOCK_EX)
    second = Claim(path)
    assert second.take()
    second.give_back()
    late.close()


async def test_a_file_system_without_locks_costs_a_second_download_and_nothing_else(
    server: FileServer, access: Access, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    names = iter(("pod-a", "pod-b"))
    what = build(server.add("/m.onnx", CONTENT))
    server.faults["/m.onnx"] = [server.stall_after(100_000)]
    monkeypatch.setattr("socket.gethostname", lambda: next(names))
    first = asyncio.ensure_future(obtain(pod(folder, access), what))
    await server.stalled.wait()
    assert await obtain(pod(folder, access), what) == CONTENT
    assert await first == CONTENT
    assert len(list(folder.rglob(sha256(CONTENT)))) == 1
    assert not list(folder.rglob("*.part"))
