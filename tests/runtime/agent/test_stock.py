"""Files on the way into a node's cache: what makes room for them, what a full disk and a power cut leave behind."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edgewise.api.names import Reason
from edgewise.contract.plan import Build
from edgewise_runtime.agent.cache import Cache, Room
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.fetch import Access, Fetcher
from edgewise_runtime.agent.stock import Rebuild, Stock
from tests.runtime.agent.documents import sha256, source
from tests.runtime.agent.fetching import CONTENT, ROOM
from tests.runtime.agent.fileserver import FileServer, cut_after, endless
from tests.runtime.agent.test_cache import put
from tests.runtime.spool.test_full_disk import fill

SERVING, OLD, DELTA = os.urandom(50_000), os.urandom(60_000), os.urandom(1000)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def build(uri: str, content: bytes = CONTENT, *, size: int | None = None) -> Build:
    what = source(uri, content, size=size)
    return Build(variant="fp32", format="ONNX", precision="FP32", source=what, memory=1)


async def obtain(cache: Cache, access: Access, what: Build, room: Room, rebuilder: Patching | None = None) -> bytes:
    stock = Stock(cache, Fetcher(access), rebuilder)
    return (await stock.obtain(what, room, lambda _: None)).read_bytes()


def blobs(cache: Cache) -> set[str]:
    return {path.name for path in cache.blob("x").parent.glob("*")}


@pytest.mark.parametrize("size", [len(CONTENT), None], ids=["size known", "size unknown"])
async def test_the_cache_never_holds_more_than_its_limit_on_the_way(
    server: FileServer, access: Access, cache: Cache, size: int | None
) -> None:
    serving, old = put(cache, SERVING), put(cache, OLD)
    limit, most = len(SERVING) + len(CONTENT), list[int]()

    def weigh(_: int) -> None:
        most.append(sum(path.stat().st_size for path in cache.folder.rglob("*") if path.suffix in ("", ".part")))

    what = build(server.add("/m.onnx", CONTENT), size=size)
    room = Room(limit, frozenset({serving}))
    await Stock(cache, Fetcher(access)).obtain(what, room, weigh)
    assert blobs(cache) == {serving, sha256(CONTENT)}
    assert old not in blobs(cache)
    assert max(most) - len(SERVING) <= limit


async def test_a_model_that_does_not_fit_beside_what_serves_costs_no_byte(
    server: FileServer, access: Access, cache: Cache
) -> None:
    serving, old = put(cache, SERVING), put(cache, OLD)
    what = build(server.add("/m.onnx", CONTENT), size=len(CONTENT))
    with pytest.raises(Failure, match="raise the limit") as caught:
        await obtain(cache, access, what, Room(len(CONTENT) + 1000, frozenset({serving})))
    assert caught.value.reason == Reason.DISK_FULL
    assert server.requests == []
    assert blobs(cache) == {serving, old}, "nothing is thrown out for what will not come"


async def test_one_of_unknown_size_that_does_not_fit_leaves_what_serves(
    server: FileServer, access: Access, cache: Cache
) -> None:
    serving = put(cache, SERVING)
    server.faults["/m.onnx"] = [endless()]
    what = build(server.url + "/m.onnx")
    with pytest.raises(Failure, match=r"serving\.cache\.limit"):
        await obtain(cache, access, what, Room(len(SERVING) + 1000, frozenset({serving})))
    assert blobs(cache) == {serving}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 500 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=500k", "none", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"mounting needs root: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


async def test_a_full_disk_leaves_what_serves_and_goes_on_when_there_is_space(
    server: FileServer, access: Access, small_disk: Path
) -> None:
    cache = Cache(small_disk)
    serving, what = put(cache, SERVING), build(server.add("/m.onnx", CONTENT), size=len(CONTENT))
    room = Room(ROOM, frozenset({serving, sha256(CONTENT)}))
    filler = small_disk / "somebody-elses"
    filler.write_bytes(bytes(300_000))
    with pytest.raises(Failure, match="disk is full") as caught:
        await obtain(cache, access, what, room)
    assert caught.value.reason == Reason.DISK_FULL
    assert cache.verified(serving)
    have = cache.partial(sha256(CONTENT)).stat().st_size
    assert have > 0
    filler.unlink()
    assert await obtain(cache, access, what, room) == CONTENT
    assert server.requests_for("/m.onnx")[-1]["Range"] == f"bytes={have}-"


async def test_a_disk_that_is_full_before_the_limit_is_reached_gives_up_what_nobody_needs(
    server: FileServer, access: Access, small_disk: Path
) -> None:
    cache = Cache(small_disk)
    serving, old = put(cache, SERVING), put(cache, OLD)
    room, what = Room(2**40, frozenset({serving})), build(server.add("/m.onnx", CONTENT), size=len(CONTENT))
    (small_disk / "somebody-elses").write_bytes(bytes(110_000))
    assert await obtain(cache, access, what, room) == CONTENT
    assert blobs(cache) == {serving, sha256(CONTENT)}
    assert old not in blobs(cache)


async def test_a_disk_without_a_free_byte_is_told_as_such(server: FileServer, access: Access, small_disk: Path) -> None:
    serving = put(Cache(small_disk), SERVING)
    fill(small_disk)
    with pytest.raises(Failure, match="disk is full"):
        await obtain(Cache(small_disk), access, build(server.add("/m.onnx", CONTENT)), Room(ROOM, frozenset({serving})))
    assert Cache(small_disk).verified(serving)


async def test_killed_before_any_step_the_cache_holds_whole_files_and_the_next_try_succeeds(
    server: FileServer, access: Access, cache: Cache
) -> None:
    serving, _ = put(cache, SERVING), put(cache, OLD)
    half = cache.partial(sha256(CONTENT))
    half.write_bytes(CONTENT[:100_000])
    what = build(server.add("/m.onnx", CONTENT), size=len(CONTENT))
    limit = len(SERVING) + len(CONTENT)
    program = [sys.executable, "-m", "tests.runtime.agent.dying_stock"]
    arguments = [str(cache.folder), what.source.model_dump_json(by_alias=True), serving, str(limit)]
    process = await asyncio.create_subprocess_exec(*program, *arguments, stdout=subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    steps = int(output)
    assert steps > 5, "the steps were not all met"
    for step in range(steps + 1):
        left = Cache(cache.folder.with_name(f"step-{step}"))
        for name in blobs(left):
            assert sha256(left.blob(name).read_bytes()) == name, f"half a file after a power cut at step {step}"
        assert serving in blobs(left), f"what serves is gone after a power cut at step {step}"
        assert await obtain(left, access, what, Room(limit, frozenset({serving}))) == CONTENT
        assert blobs(left) == {serving, sha256(CONTENT)}


@dataclass
class Patching:
    """A rebuilder that does what a test says, and remembers what it was asked."""

    act: Callable[[Rebuild], Awaitable[bool]]
    asked: list[Rebuild] = field(default_factory=list)

    async def rebuild(self, wanted: Rebuild) -> bool:
        self.asked.append(wanted)
        return await self.act(wanted)


async def test_a_delta_is_tried_first_and_leaves_nothing_but_the_file(
    server: FileServer, access: Access, cache: Cache
) -> None:
    base, delta = put(cache, OLD), source(server.add("/delta", DELTA), DELTA, size=len(DELTA))

    async def apply(wanted: Rebuild) -> bool:
        found = await wanted.base(base)
        assert found is not None
        assert found.read_bytes() == OLD
        assert await wanted.base("f" * 64) is None
        assert (await wanted.fetch(delta)).read_bytes() == DELTA
        wanted.target.write_bytes(CONTENT)
        return True

    patching, what = Patching(apply), build(server.add("/m.onnx", CONTENT), size=len(CONTENT))
    assert await obtain(cache, access, what, Room(ROOM), patching) == CONTENT
    assert server.requests_for("/m.onnx") == []
    assert (patching.asked[0].most, patching.asked[0].remaining) == (ROOM, len(CONTENT))
    assert blobs(cache) == {base, sha256(CONTENT)}
    assert not list(cache.partial("x").parent.iterdir())


async def test_a_delta_that_is_of_no_use_costs_the_whole_file_and_no_more(
    server: FileServer, access: Access, cache: Cache
) -> None:
    async def fail(wanted: Rebuild) -> bool:
        wanted.target.write_bytes(b"half")
        return False

    what = build(server.add("/m.onnx", CONTENT), size=len(CONTENT))
    assert await obtain(cache, access, what, Room(ROOM), Patching(fail)) == CONTENT
    assert not list(cache.partial("x").parent.iterdir())


async def test_a_delta_that_was_cut_off_is_gone_on_with(server: FileServer, access: Access, cache: Cache) -> None:
    content = os.urandom(100_000)
    delta = source(server.add("/delta", content), content, size=len(content))
    server.faults["/delta"] = [cut_after(60_000), cut_after(0)]

    async def apply(wanted: Rebuild) -> bool:
        assert (await wanted.fetch(delta)).read_bytes() == content
        wanted.target.write_bytes(CONTENT)
        return True

    what = build(server.add("/m.onnx", CONTENT), size=len(CONTENT))
    with pytest.raises(Failure) as caught:
        await obtain(cache, access, what, Room(ROOM), Patching(apply))
    assert caught.value.reason == Reason.SOURCE_UNREACHABLE
    assert server.requests_for("/m.onnx") == [], "a link that comes and goes is no reason to fetch the whole file"
    assert await obtain(cache, access, what, Room(ROOM), Patching(apply)) == CONTENT
    assert server.requests_for("/delta")[-1]["Range"] == "bytes=60000-"


async def test_what_is_begun_of_the_whole_file_is_not_to_be_had_for_less(
    server: FileServer, access: Access, cache: Cache
) -> None:
    async def decline(_: Rebuild) -> bool:
        return False

    part = cache.partial(sha256(CONTENT))
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT[:290_000])
    patching, what = Patching(decline), build(server.add("/m.onnx", CONTENT), size=len(CONTENT))
    assert await obtain(cache, access, what, Room(ROOM), patching) == CONTENT
    assert patching.asked[0].remaining == 10_000
    assert server.requests_for("/m.onnx")[0]["Range"] == "bytes=290000-"
