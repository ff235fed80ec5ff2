"""One PUT to a web server: what it carries, what each answer means, and to whom the device shows its keys."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import itertools
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from edgewise.api.base import SecretKeyRef, SecretRef
from edgewise_runtime.agent.fetch.addresses import AddressGuard
from edgewise_runtime.pace import Pace
from edgewise_runtime.spool.record import identity
from edgewise_runtime.spool.sink import Result, Sink, SinkError, Way
from tests.runtime.issuer import Issuer
from tests.runtime.spool.collector import Collector, collecting
from tests.runtime.spool.examples import packed, wanted

DATA = packed()
NAME = identity(DATA)
TOKEN = {"sink_secret_ref": SecretRef(name="collector")}


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with collecting() as running:
        yield running


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    return tmp_path


def secret(folder: Path, **keys: str) -> None:
    folder.mkdir(exist_ok=True)
    for key, value in keys.items():
        (folder / key).write_text(value)


async def put(url: str, secrets: Path, **plan: Any) -> Result:
    async with Sink(wanted(sink=url, **plan), Way(secrets), Pace(None)) as sink:
        return await sink.put(NAME, DATA)


async def test_an_example_arrives_whole_under_its_hash_with_all_a_server_needs_to_check_it(
    collector: Collector, secrets: Path
) -> None:
    assert await put(collector.url + "/", secrets) == "sent"
    assert collector.examples == {f"{NAME}.npz": DATA}
    (headers,) = collector.headers
    digest = base64.b64encode(hashlib.sha256(DATA).digest()).decode()
    assert headers["Content-Length"] == str(len(DATA))
    assert headers["Content-Digest"] == f"sha-256=:{digest}:"
    assert headers["If-None-Match"] == "*"
    assert "Authorization" not in headers


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (200, "sent"),
        (201, "sent"),
        (204, "sent"),
        (412, "known"),
        (413, "unwanted"),
        (415, "unwanted"),
        (422, "unwanted"),
    ],
)
async def test_answers_that_settle_it(collector: Collector, secrets: Path, status: int, result: Result) -> None:
    collector.answers = [status]
    assert await put(collector.url, secrets) == result


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 409, 429, 500, 502, 503])
async def test_answers_after_which_it_is_tried_again(collector: Collector, secrets: Path, status: int) -> None:
    collector.answers = [status]
    with pytest.raises(SinkError, match=f"HTTP {status}: not now") as refused:
        await put(collector.url, secrets)
    assert refused.value.answered
    assert set(collector.asked) == {f"{NAME}.npz"}  # no redirect was followed


async def test_nobody_there(secrets: Path) -> None:
    with pytest.raises(SinkError) as refused:
        await put("http://127.0.0.1:9/hard", secrets)
    assert not refused.value.answered


async def test_a_server_that_keeps_it_and_dies_before_it_answers(collector: Collector, secrets: Path) -> None:
    collector.forgetful = True
    with pytest.raises(SinkError):
        await put(collector.url, secrets)
    assert await put(collector.url, secrets) == "known"
    assert collector.new == {f"{NAME}.npz": 1}


@contextlib.asynccontextmanager
async def guarded(secrets: Path) -> AsyncIterator[tuple[Collector, dict[str, Any]]]:
    """A collector that speaks TLS, and what a plan says to reach it with a Secret."""
    issuer = Issuer()
    pair = issuer.server().write(secrets / "tls")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(pair / "tls.crt", pair / "tls.key")
    secret(secrets / "ca", **{"ca.crt": issuer.ca.decode()})
    async with collecting(tls) as collector:
        yield collector, {**TOKEN, "ca_secret_ref": SecretKeyRef(name="ca", key="ca.crt")}


@pytest.mark.parametrize(
    ("keys", "header"),
    [({"token": "t0ken\n"}, "Bearer t0ken"), ({"username": "me", "password": "pw"}, "Basic bWU6cHc=")],
)
async def test_credentials_come_from_the_secret_as_it_is_now(secrets: Path, keys: dict[str, str], header: str) -> None:
    secret(secrets / "collector", token="old")
    async with guarded(secrets) as (collector, plan):
        async with Sink(wanted(sink=collector.url, **plan), Way(secrets), Pace(None)) as sink:
            await sink.put(NAME, DATA)
            (secrets / "collector" / "token").unlink()
            secret(secrets / "collector", **keys)
            await sink.put(NAME, DATA)
        assert [headers["Authorization"] for headers in collector.headers] == ["Bearer old", header]


@pytest.mark.parametrize("keys", [{}, {"token": "two words"}, {"password": "alone"}])
async def test_without_a_usable_secret_nothing_is_sent(secrets: Path, keys: dict[str, str]) -> None:
    secret(secrets / "collector", **keys)
    async with guarded(secrets) as (collector, plan):
        with pytest.raises(SinkError, match="Secret collector is missing, or has neither a usable token") as refused:
            await put(collector.url, secrets, **plan)
        assert "two words" not in str(refused.value)
        assert not collector.asked


async def test_a_plan_cannot_make_a_device_show_its_token_over_plain_http(collector: Collector, secrets: Path) -> None:
    """The API refuses such a sink, but somebody may edit the plan."""
    secret(secrets / "collector", token="t0ken")
    with pytest.raises(SinkError, match="over https:// only"):
        await put(collector.url, secrets, **TOKEN)
    assert not collector.asked


async def test_a_sink_with_a_certificate_of_its_own_authority(secrets: Path) -> None:
    secret(secrets / "collector", token="t0ken")
    async with guarded(secrets) as (collector, plan):
        with pytest.raises(SinkError, match="certificate verify failed"):
            await put(collector.url, secrets)
        assert await put(collector.url, secrets, **plan) == "sent"


@pytest.mark.parametrize("content", [None, "", "no certificate"])
async def test_a_ca_that_is_not_there_or_none(collector: Collector, secrets: Path, content: str | None) -> None:
    if content is not None:
        secret(secrets / "ca", **{"ca.crt": content})
    with pytest.raises(SinkError, match=r"key ca\.crt of Secret ca is missing or is no PEM bundle"):
        await put(collector.url, secrets, ca_secret_ref=SecretKeyRef(name="ca", key="ca.crt"))


async def test_a_plan_cannot_make_a_device_write_to_itself(collector: Collector, secrets: Path) -> None:
    way = Way(secrets, AddressGuard().socket)
    with pytest.raises(SinkError, match="loopback"):
        async with Sink(wanted(sink=collector.url), way, Pace(None)) as sink:
            await sink.put(NAME, DATA)
    assert not collector.asked


async def test_whoever_gives_up_on_it_at_whatever_moment_is_obeyed(collector: Collector, secrets: Path) -> None:
    """Else a device with a newer plan, or one that is told to stop, would wait for ever."""
    async with Sink(wanted(sink=collector.url), Way(secrets), Pace(None)) as sink:
        for moments in itertools.count():
            putting = asyncio.ensure_future(sink.put(NAME, DATA))
            for _ in range(moments):
                await asyncio.sleep(0)
            if not putting.cancel():
                break
            await asyncio.wait({putting})
            assert putting.cancelled(), f"not after {moments} rounds of the event loop"
    assert moments > 5


async def test_a_large_example_arrives_in_pieces(collector: Collector, secrets: Path) -> None:
    data = packed(size=50_000)
    async with Sink(wanted(sink=collector.url), Way(secrets), Pace(2**20)) as sink:
        assert await sink.put(identity(data), data) == "sent"
    assert collector.examples == {f"{identity(data)}.npz": data}


async def test_into_a_connection_that_the_server_gave_up_nothing_goes_by_halves(secrets: Path) -> None:
    """The second PUT meets a dead connection; whoever tries it again, aiohttp or we, sends all of it."""
    bodies = list[bytes]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        (size,) = (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length"))
        bodies.append(await reader.readexactly(size))
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, Sink(wanted(sink=url), Way(secrets), Pace(None)) as sink:
        assert await sink.put(NAME, DATA) == "sent"
        with contextlib.suppress(SinkError):
            await sink.put(NAME, DATA)
        assert await sink.put(NAME, DATA) == "sent"
    assert set(bodies) == {DATA}
