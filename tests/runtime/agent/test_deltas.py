"""A device fetches what changed since a file it has, or the file compressed; and the full one where that goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edgewise.api.edgemodel import Copy, Delta, Source
from edgewise.contract.plan import Build
from edgewise_runtime.agent.cache import Cache, Room
from edgewise_runtime.agent.deltas import Deltas
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.fetch import Access, Fetcher
from edgewise_runtime.agent.stock import Stock
from tests.runtime.agent.documents import sha256
from tests.runtime.agent.fileserver import Fault, FileServer, status
from tests.runtime.deltas.making import made, weights

OLD, OLDER = weights(20_000).tobytes(), weights(20_000, seed=2).tobytes()
NEW = (weights(20_000) * 1.0001).tobytes()
DELTA, COMPRESSED = made(OLD, NEW), made(b"", NEW)
FULL, SMALL, PACKED = "/new.onnx", "/new.delta", "/new.packed"


@dataclass
class Device:
    """With the cache and the fetcher of a real one."""

    root: Path
    server: FileServer
    access: Access
    patience: float = 600.0
    counted: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.cache = Cache(self.root / "cache")
        deltas = Deltas(lambda result: self.counted.update([result]), self.patience)
        self.stock = Stock(self.cache, Fetcher(self.access), deltas)

    def has(self, content: bytes) -> None:
        path = self.cache.blob(sha256(content))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    async def obtain(self, build: Build, limit: int = 2**22) -> bytes:
        path = await self.stock.obtain(build, Room(limit), lambda _: None)
        return path.read_bytes()

    def fetched(self) -> dict[str, int]:
        """{path: requests}."""
        return dict(Counter(path for path, _ in self.server.requests))


@pytest.fixture
def device(tmp_path: Path, server: FileServer, access: Access) -> Device:
    server.add(FULL, NEW)
    return Device(tmp_path, server, access)


def copy_of(server: FileServer, path: str, content: bytes) -> Copy:
    return Copy(uri=server.add(path, content), sha256=sha256(content), size=len(content))


def build(server: FileServer, *deltas: Delta, compressed: Copy | None = None, url: str = "") -> Build:
    source = Source(uri=(url or server.url) + FULL, sha256=sha256(NEW), size=len(NEW), compressed=compressed)
    return Build(variant="fp32", format="ONNX", precision="FP32", source=source, memory=2**20, deltas=list(deltas))


def since(old: bytes, copy: Copy) -> Delta:
    return Delta(from_sha256=sha256(old), **copy.model_dump())


async def test_a_device_that_has_the_earlier_file_fetches_what_changed(device: Device, server: FileServer) -> None:
    device.has(OLD)
    delta = since(OLD, copy_of(server, SMALL, DELTA))
    packed = copy_of(server, PACKED, COMPRESSED)
    assert await device.obtain(build(server, delta, compressed=packed)) == NEW
    assert device.fetched() == {SMALL: 1}
    assert device.counted == {"applied": 1}
    assert not list((device.root / "cache" / "partial").glob("*"))


async def test_a_device_without_an_earlier_file_fetches_it_compressed(device: Device, server: FileServer) -> None:
    delta = since(OLD, copy_of(server, SMALL, DELTA))
    assert await device.obtain(build(server, delta, compressed=copy_of(server, PACKED, COMPRESSED))) == NEW
    assert device.fetched() == {PACKED: 1}


async def test_of_several_that_lead_there_the_smallest_is_fetched(device: Device, server: FileServer) -> None:
    device.has(OLD)
    device.has(OLDER)
    large = since(OLDER, copy_of(server, "/large", made(OLDER, NEW)))
    assert await device.obtain(build(server, large, since(OLD, copy_of(server, SMALL, DELTA)))) == NEW
    assert device.fetched() == {SMALL: 1}


async def test_one_that_is_larger_than_what_is_missing_of_the_full_file_is_left(
    device: Device, server: FileServer
) -> None:
    device.has(OLD)
    part = device.cache.partial(sha256(NEW))
    part.parent.mkdir(parents=True)
    part.write_bytes(NEW[:-100])
    assert await device.obtain(build(server, since(OLD, copy_of(server, SMALL, DELTA)))) == NEW
    assert device.fetched() == {FULL: 1}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(made(OLDER, NEW), "base", id="made of another file"),
        pytest.param(made(OLD, OLDER), "mismatch", id="leads to another file"),
        pytest.param(DELTA[:-10], "corrupt", id="cut off before it was hashed"),
        pytest.param(b"<html>sign in</html>", "unknown", id="no delta at all"),
    ],
)
async def test_one_that_is_wrong_is_counted_and_the_full_file_fetched(
    device: Device, server: FileServer, content: bytes, reason: str
) -> None:
    device.has(OLD)
    assert await device.obtain(build(server, since(OLD, copy_of(server, SMALL, content)))) == NEW
    assert device.fetched() == {SMALL: 1, FULL: 1}
    assert device.counted == {reason: 1}


async def test_one_that_is_wrong_is_not_fetched_again_while_the_full_file_is_waited_for(
    device: Device, server: FileServer
) -> None:
    device.has(OLD)
    what = build(server, since(OLD, copy_of(server, SMALL, b"junk")))
    server.faults[FULL] = [status(503)]
    with pytest.raises(Failure):
        await device.obtain(what)
    assert await device.obtain(what) == NEW
    assert device.fetched() == {SMALL: 1, FULL: 2}


async def test_one_that_makes_more_than_the_file_has_is_refused(device: Device, server: FileServer) -> None:
    device.has(OLD)
    what = build(server, since(OLD, copy_of(server, SMALL, made(OLD, NEW + bytes(100_000)))))
    assert await device.obtain(what) == NEW
    assert device.counted["mismatch"] == 1


@pytest.mark.parametrize("fault", [status(404), status(403)])
async def test_one_that_is_not_there_is_counted_and_the_full_file_fetched(
    device: Device, server: FileServer, fault: Fault
) -> None:
    device.has(OLD)
    delta = since(OLD, copy_of(server, SMALL, DELTA))
    server.faults[SMALL] = [fault]
    assert await device.obtain(build(server, delta)) == NEW
    assert device.counted == {"fetch": 1}


async def test_the_next_way_is_taken_before_the_full_file(device: Device, server: FileServer) -> None:
    device.has(OLD)
    packed = copy_of(server, PACKED, COMPRESSED)
    assert await device.obtain(build(server, since(OLD, copy_of(server, SMALL, b"junk")), compressed=packed)) == NEW
    assert device.fetched() == {SMALL: 1, PACKED: 1}
    assert device.counted == {"unknown": 1, "applied": 1}


async def test_an_earlier_file_that_rotted_on_the_disk_is_no_base(device: Device, server: FileServer) -> None:
    device.has(OLD)
    device.cache.blob(sha256(OLD)).write_bytes(OLD[:-1] + b"\0")
    assert await device.obtain(build(server, since(OLD, copy_of(server, SMALL, DELTA)))) == NEW
    assert device.fetched() == {FULL: 1}


async def test_where_the_earlier_file_has_to_make_room_for_the_delta_the_full_file_is_fetched(
    device: Device, server: FileServer
) -> None:
    device.has(OLD)
    what = build(server, since(OLD, copy_of(server, SMALL, DELTA)))
    assert await device.obtain(what, limit=len(OLD) + len(NEW) + len(DELTA) // 2) == NEW
    assert device.counted == {"base": 1}


async def test_a_cut_is_gone_on_from_where_it_was_and_costs_no_full_file(device: Device, server: FileServer) -> None:
    device.has(OLD)
    delta = since(OLD, copy_of(server, SMALL, DELTA))
    server.faults[SMALL] = [server.stall_after(len(DELTA) // 2), status(503)]
    tries = 0
    while not device.counted["applied"]:
        with contextlib.suppress(Failure):
            assert await device.obtain(build(server, delta)) == NEW
        tries += 1
    assert tries > 1
    assert device.fetched() == {SMALL: 3}
    assert server.requests_for(SMALL)[-1]["Range"] == f"bytes={len(DELTA) // 2}-"


async def test_one_that_stays_away_is_given_up_in_the_end(tmp_path: Path, server: FileServer, access: Access) -> None:
    server.add(FULL, NEW)
    device = Device(tmp_path, server, access, patience=0.0)
    device.has(OLD)
    server.faults[SMALL] = [status(503)]
    assert await device.obtain(build(server, since(OLD, copy_of(server, SMALL, DELTA)))) == NEW
    assert device.counted == {"away": 1}


async def test_one_on_a_server_that_is_away_is_not_waited_for_where_the_full_file_is_on_another(
    device: Device, server: FileServer, other: FileServer
) -> None:
    device.has(OLD)
    server.faults[SMALL] = [status(503)]
    delta = since(OLD, copy_of(server, SMALL, DELTA))
    elsewhere = other.add(FULL, NEW).removesuffix(FULL).replace("127.0.0.1", "localhost")
    assert await device.obtain(build(server, delta, url=elsewhere)) == NEW


async def test_two_pods_of_a_node_apply_one_delta_once(device: Device, server: FileServer) -> None:
    device.has(OLD)
    neighbour = Device(device.root, server, device.access)
    what = build(server, since(OLD, copy_of(server, SMALL, DELTA)))
    assert set(await asyncio.gather(device.obtain(what), neighbour.obtain(what))) == {NEW}
    assert device.fetched() == {SMALL: 1}
