"""The door of the reports server, over real TLS: however many come, so many are in, and nobody is turned away."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from pathlib import Path

import pytest
from aiohttp import web

from edgewise.controller import door
from edgewise.controller.door import Door
from edgewise.controller.pki import Material, renewed
from edgewise.controller.reports import Reports, serve_reports
from tests.cluster.ports import free_port


class Counter(Reports):
    """Answers what it likes, when `go_on` is set; what is in a report is no matter here."""

    def __init__(self, at: Door) -> None:
        self._door = at
        self.go_on = asyncio.Event()
        self.begun = 0
        self.most_inside = 0

    async def post(self, request: web.Request) -> web.Response:
        await request.read()
        self.begun += 1
        self.most_inside = max(self.most_inside, self._door.inside)
        await self.go_on.wait()
        return web.Response(text="{}")


class House:
    """A reports server behind its door, and clients that stay for as long as they may."""

    def __init__(self, port: int, trusting: ssl.SSLContext, counter: Counter) -> None:
        self.port = port
        self.counter = counter
        self.stay: list[asyncio.StreamWriter] = []
        self._trusting = trusting

    async def knock(self, *, tls: bool = True) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection on which nothing was said yet."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self._trusting if tls else None)
        self.stay.append(writer)
        return reader, writer

    async def report(self) -> str:
        """What the server says of it, and of the connection."""
        reader, writer = await self.knock()
        writer.write(b"POST /v1/report HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
        return (await reader.readuntil(b"\r\n\r\n")).decode()


@pytest.fixture(scope="module")
def material() -> Material:
    return renewed(None, ["127.0.0.1"], datetime.now(timezone.utc))


@asynccontextmanager
async def house(material: Material, folder: Path, most: int) -> AsyncIterator[House]:
    (folder / "tls.crt").write_text(material.serving.certificate_pem())
    (folder / "tls.key").write_text(material.serving.key_pem())
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    port = free_port()
    at = Door(port, tls, most)
    made = House(port, ssl.create_default_context(cadata=material.bundle), Counter(at))
    try:
        async with serve_reports(at, made.counter):
            yield made
    finally:
        for writer in made.stay:
            writer.transport.abort()


async def test_of_a_fleet_that_comes_at_once_everybody_is_answered_and_few_are_in(
    material: Material, tmp_path: Path
) -> None:
    async with house(material, tmp_path, most=4) as made:
        made.counter.go_on.set()
        answers = await asyncio.gather(*(made.report() for _ in range(60)))
        assert {answer.partition("\r\n")[0] for answer in answers} == {"HTTP/1.1 200 OK"}
        assert 3 <= made.counter.most_inside <= 4


async def test_nobody_leaves_without_his_answer(material: Material, tmp_path: Path) -> None:
    async with house(material, tmp_path, most=2) as made:
        waiting = [asyncio.create_task(made.report()) for _ in range(5)]
        while made.counter.begun < 2:
            await asyncio.sleep(0.01)
        assert not any(one.done() for one in waiting)
        made.counter.go_on.set()
        assert len(await asyncio.gather(*waiting)) == 5
        assert made.counter.begun == 5


async def test_as_long_as_half_of_the_places_are_free_a_client_may_stay(material: Material, tmp_path: Path) -> None:
    async with house(material, tmp_path, most=4) as made:
        made.counter.go_on.set()
        told = ["Connection: close" in await made.report() for _ in range(3)]
        assert told == [False, False, True]


async def test_who_never_shakes_hands_makes_room(
    material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "_GREETS_WITHIN", 0.05)
    async with house(material, tmp_path, most=1) as made:
        made.counter.go_on.set()
        await made.knock(tls=False)
        assert "200 OK" in await made.report()


async def test_who_speaks_no_tls_or_does_not_trust_us_takes_no_place(material: Material, tmp_path: Path) -> None:
    async with house(material, tmp_path, most=1) as made:
        made.counter.go_on.set()
        for _ in range(3):
            reader, writer = await made.knock(tls=False)
            writer.write(b"POST /v1/report HTTP/1.1\r\n\r\n")
            await reader.read()
            with pytest.raises(ssl.SSLError):
                await asyncio.open_connection("127.0.0.1", made.port, ssl=ssl.create_default_context())
        assert "200 OK" in await made.report()


async def test_who_is_cut_off_in_the_middle_makes_room(material: Material, tmp_path: Path) -> None:
    async with house(material, tmp_path, most=1) as made:
        made.counter.go_on.set()
        for _ in range(3):
            _, writer = await made.knock()
            writer.write(b"POST /v1/report HTTP/1.1\r\nHost: x\r\nContent-Le")
            await writer.drain()
            writer.transport.abort()
        assert "200 OK" in await made.report()


async def test_who_is_still_there_does_not_keep_the_server_from_ending(material: Material, tmp_path: Path) -> None:
    async with house(material, tmp_path, most=4) as made:
        made.counter.go_on.set()
        await made.report()
        await made.knock()
        await made.knock(tls=False)
    with pytest.raises(OSError, match="Connect call failed"):
        await made.knock()
