"""No client, and no crowd of them, holds more of a device than its bounds allow."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket

import numpy as np
import pytest

from edgewise_runtime.errors import OverloadedError
from edgewise_runtime.ports.content import aligned
from tests.runtime.agent.waiting import until
from tests.runtime.kitchen import MIB, House, house
from tests.runtime.raw import LIVE, Raw, Reply, connected, post

pytestmark = pytest.mark.loops

PATIENCE = 1.5  # seconds: what a slow machine needs to ask at all, and no longer than a test should take


def test_memory_lies_where_tensors_may_and_what_is_not_there_is_no_crash() -> None:
    for binary_at in (0, 1, 63, 130):
        large = np.frombuffer(aligned(20_000, binary_at), np.uint8)
        assert (large.ctypes.data + binary_at) % 64 == 0
        small = np.frombuffer(aligned(200, binary_at), np.uint8)
        assert (small.ctypes.data + binary_at) % 16 == 0
        assert (len(large), len(small)) == (20_000, 200)
    with pytest.raises(OverloadedError, match="no memory"):
        aligned(2**60, 0)


async def test_promises_take_no_memory() -> None:
    async with house() as it, contextlib.AsyncExitStack() as crowd:
        for _ in range(200):
            raw = await crowd.enter_async_context(connected(it.address))
            await raw.send(post(b"1", length=64 * MIB))
        await until(lambda: it.memory.held == 200, "all bytes have come")
        async with connected(it.address) as raw:
            assert (await raw.ask(post(b"ab"))).body == b"6162"


async def test_who_sends_more_than_there_is_room_for_is_told_to_come_back() -> None:
    async with house() as it, connected(it.address) as first, connected(it.address) as second:
        await first.send(post(bytes(3 * MIB), length=5 * MIB))
        await until(lambda: it.memory.held == 3 * MIB, "the first has sent its part")
        reply = await second.ask(post(bytes(2 * MIB)))
        assert (reply.status, reply.headers["retry-after"]) == (429, "1")
        await until(lambda: it.memory.held == 3 * MIB, "the second holds nothing")
        assert (await asyncio.wait_for(_small(it), 5)).status == 200


async def _small(it: House) -> Reply:
    async with connected(it.address) as raw:
        return await raw.ask(post(b"x"))


async def test_who_would_be_refused_anyway_is_refused_before_the_body_comes() -> None:
    async with house() as it, connected(it.address) as raw:
        assert (await raw.ask(post(b"x"))).status == 200
        it.kitchen.full = True
        reply = await raw.ask(post(b"", length=64 * MIB))
        assert (reply.status, reply.headers["retry-after"], reply.headers["connection"]) == (429, "1", "close")


async def test_a_packed_body_counts_as_what_it_unpacks_to() -> None:
    async with house() as it, connected(it.address) as raw:
        packed = gzip.compress(bytes(5 * MIB))
        reply = await raw.ask(post(packed, "Content-Encoding: gzip"))
        assert reply.status == 429


async def test_a_client_that_leaves_while_it_sends_gives_its_memory_back() -> None:
    async with house() as it:
        async with connected(it.address) as raw:
            await raw.send(post(bytes(MIB), length=2 * MIB))
            await until(lambda: it.memory.held == MIB, "a part has come")
        await until(lambda: it.memory.held == 0, "it is free again")


async def test_a_client_that_leaves_while_it_waits_leaves_no_work_behind() -> None:
    async with house() as it:
        it.kitchen.done.clear()
        async with connected(it.address) as raw:
            await raw.send(post(b"x"))
            await until(lambda: it.memory.held, "it is being answered")
        await until(lambda: it.kitchen.abandoned, "its answer is given up")


async def test_what_a_client_has_sent_is_held_until_nobody_works_on_it_also_when_it_has_left() -> None:
    async with house() as it:
        it.kitchen.done.clear()
        it.kitchen.hands_free.clear()
        async with connected(it.address) as raw:
            await raw.send(post(b"x" * 1000))
            await until(lambda: it.memory.held, "it is being answered")
        await until(lambda: it.kitchen.abandoned, "its answer is given up")
        assert it.memory.held == 1000
        it.kitchen.hands_free.set()
        await until(lambda: it.memory.held == 0, "it is free again")


async def test_a_body_that_trickles_is_given_up() -> None:
    async with house(patience=PATIENCE) as it, connected(it.address) as raw:
        await raw.send(post(b"", length=1000))
        trickle = asyncio.ensure_future(_trickle(raw))
        reply = await raw.reply()
        assert (reply.status, reply.headers["connection"]) == (408, "close")
        trickle.cancel()
        assert it.kitchen.asked == 0


async def test_a_head_that_trickles_is_given_up() -> None:
    async with house(patience=PATIENCE) as it, connected(it.address) as raw:
        assert (await raw.ask(post(b"x"))).status == 200
        await raw.send(b"POST / HTTP/1.1\r\nX-A: ")
        trickle = asyncio.ensure_future(_trickle(raw))
        assert await raw.ended() == b""
        trickle.cancel()


async def _trickle(raw: Raw) -> None:
    with contextlib.suppress(ConnectionError):
        while True:
            await raw.send(b"a")
            await asyncio.sleep(0.02)


async def test_a_connection_that_falls_silent_is_closed() -> None:
    async with house(keep_alive=0.2, patience=PATIENCE) as it, connected(it.address) as raw:
        assert (await raw.ask(post(b"x"))).status == 200
        assert await raw.ended() == b""


async def test_a_client_that_does_not_read_its_answer_is_cut_and_held_against_the_room_until_then() -> None:
    async with house(patience=PATIENCE) as it:
        it.kitchen.size = 8 * MIB
        with socket.create_connection(("127.0.0.1", it.port)) as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.sendall(post(b"x", path="/quick"))
            await until(lambda: it.memory.held >= 8 * MIB, "its answer counts")
            async with connected(it.address) as raw:
                assert (await raw.ask(post(b"x"))).status == 429
            await until(lambda: it.memory.held == 0, "it was cut")


async def test_a_client_that_reads_slowly_gets_all_of_it_and_its_next_answer_after_that() -> None:
    async with house() as it, connected(it.address, limit=1024) as raw:
        it.kitchen.size = 16 * MIB  # more than the kernel buffers
        await raw.send(post(b"x", path="/quick") * 2)
        await until(lambda: it.memory.held > MIB, "it has not read yet")
        assert it.kitchen.asked == 1
        for _ in range(2):
            assert len((await raw.reply()).body) == 16 * MIB + 2


async def test_what_is_sent_ahead_of_an_answer_waits_outside() -> None:
    async with house() as it, connected(it.address) as raw:
        it.kitchen.done.clear()
        ahead = asyncio.ensure_future(raw.send(post(b"x") * 400_000))
        await until(lambda: it.memory.held, "the first is being answered")
        (guest,) = it.listener.guests
        await until(lambda: guest.paused, "nothing more is read")
        assert not ahead.done()
        ahead.cancel()
        raw.abort()
        it.kitchen.done.set()


async def test_a_client_with_endless_requests_lets_others_in_between() -> None:
    async with house() as it, connected(it.address) as greedy, connected(it.address) as modest:
        many = 3000
        await greedy.send(post(b"a", path="/quick") * many)
        await greedy.reply()
        assert (await modest.ask(post(b"b"))).body == b"62"
        before = it.kitchen.asked
        assert before < many
        for _ in range(many - 1):
            await greedy.reply()


async def test_one_client_too_many_takes_the_place_of_the_one_that_was_idle_longest() -> None:
    async with house(connections=2) as it, connected(it.address) as first, connected(it.address) as second:
        for raw in (first, second):
            assert (await raw.ask(post(b"x"))).status == 200
        while len({guest.deadline for guest in it.listener.guests}) < 2:  # uvloop's clock counts milliseconds
            await second.ask(post(b"x"))
        async with connected(it.address) as third:
            assert (await third.ask(post(b"x"))).status == 200
            assert await first.ended() == b""
            assert (await second.ask(post(b"x"))).status == 200


async def test_one_client_too_many_is_sent_away_where_all_others_are_busy() -> None:
    async with house(connections=1) as it, connected(it.address) as busy:
        it.kitchen.done.clear()
        await busy.send(post(b"x"))
        await until(lambda: it.memory.held, "it is being answered")
        async with connected(it.address) as other:
            assert (await other.reply()).status == 503
            assert await other.ended() == b""
        it.kitchen.done.set()
        assert (await busy.reply()).status == 200


async def test_a_mistake_of_ours_is_an_answer_and_the_log_has_the_details(caplog: pytest.LogCaptureFixture) -> None:
    async with house() as it, connected(it.address) as raw:
        reply = await raw.ask(post(b"x", path="/break"))
        assert (reply.status, reply.json) == (500, {"error": "an error of this server; its log has the details"})
        assert (await raw.ask(post(b"x", path="/quick"))).status == 200
    assert "the oven" in caplog.text


async def test_closing_ends_idle_connections_at_once_and_others_with_their_answer() -> None:
    async with house() as it, connected(it.address) as idle, connected(it.address) as busy:
        await idle.ask(post(b"x"))
        it.kitchen.done.clear()
        await busy.send(post(b"y"))
        await until(lambda: it.memory.held, "it is being answered")
        closing = asyncio.ensure_future(it.listener.close(10.0))
        assert await idle.ended() == b""
        assert not closing.done()
        it.kitchen.done.set()
        reply = await busy.reply()
        assert (reply.body, reply.headers["connection"]) == (b"79", "close")
        await closing


async def test_a_port_that_nobody_asks_wakes_nobody_up() -> None:
    async with house(patience=PATIENCE) as it:
        async with connected(it.address) as raw:
            await raw.ask(LIVE)
        await until(lambda: not it.listener.guests, "it has left")
        await until(lambda: not it.listener.watching, "nobody is watched")
