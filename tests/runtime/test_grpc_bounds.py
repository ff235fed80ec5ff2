"""What a client of gRPC may hold: memory, time, calls; and what becomes of its work when it goes."""

from __future__ import annotations

import asyncio
import gc
import math
import struct
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewise_runtime.grpc import frames as h2
from edgewise_runtime.grpc.connection import Connection
from edgewise_runtime.grpc.requests import decode_request
from tests.runtime import tinyonnx
from tests.runtime.agent.waiting import PATIENCE_SECONDS, until
from tests.runtime.grpcclient import raw
from tests.runtime.http2client import GOOD, connected, prefixed, stream_answers
from tests.runtime.serving import Running, ones, running, served
from tests.runtime.sessions import Gated, model

pytestmark = pytest.mark.loops

MESSAGE = raw(ones(1, 1)[0], "gated").SerializeToString()


async def test_many_calls_at_once_are_all_answered(device: Running) -> None:
    async with connected(device) as client:
        for number in range(50):
            client.call(2 * number + 1)
        answered: set[int] = set()
        while len(answered) < 50:
            frame = await client.next(h2.HEADERS)
            if frame.flags & h2.END_STREAM:
                answered.add(frame.stream)
    await until(lambda: not held(device), "their memory is free")


async def test_an_answer_waits_for_the_clients_window(device: Running) -> None:
    """2,000 rows of answers through a window of 100 bytes that opens bit by bit."""
    async with connected(device, INITIAL_WINDOW=100) as client:
        client.call(1, raw(ones(2000, 2)).SerializeToString())
        first = await client.next(h2.DATA)
        assert len(first.payload) == 100
        assert held(device) > 0
        client.send(h2.settings({h2.INITIAL_WINDOW: 300}), h2.window_update(1, 10_000))
        size = 100
        while size < 10_300:
            size += len((await client.next(h2.DATA)).payload)
        client.send(h2.window_update(1, 100_000))
        while not (frame := await client.next(h2.DATA, h2.HEADERS)).flags & h2.END_STREAM:
            size += len(frame.payload)
        assert size > 32_000
    await until(lambda: not held(device), "its memory is free")


async def test_a_client_that_never_opens_its_window_is_given_up(device: Running) -> None:
    async with connected(device, INITIAL_WINDOW=0) as client:
        client.call(1)
        assert (await client.next(h2.RST_STREAM)).code == h2.CANCEL
    await until(lambda: not held(device), "its memory is free")


async def test_half_a_message_holds_what_has_arrived_and_not_for_long(device: Running) -> None:
    async with connected(device) as client:
        client.send(h2.frame(h2.HEADERS, h2.END_HEADERS, 1, client.head()))
        client.send(h2.frame(h2.DATA, 0, 1, struct.pack("!BI", 0, 90_000) + bytes(50_000)))
        await until(lambda: held(device) == 50_005, "it is counted")
        assert (await client.status(1))[1] == "4"  # DEADLINE_EXCEEDED
        assert not held(device)


async def test_all_requests_together_hold_no_more_than_the_device_has(tmp_path: Path) -> None:
    path = tinyonnx.linear(tmp_path, np.eye(2))
    async with running(served(path), max_body=60_000, max_memory=100_000) as device, connected(device) as client:
        for stream in (1, 3):
            client.send(h2.frame(h2.HEADERS, h2.END_HEADERS, stream, client.head()))
            client.send(h2.frame(h2.DATA, 0, stream, struct.pack("!BI", 0, 60_000) + bytes(55_000)))
        assert (await client.status(3))[1] == "8"  # RESOURCE_EXHAUSTED; the first still has its memory
        assert held(device) == 55_005


async def test_a_reset_call_leaves_no_work_behind(session: Gated) -> None:
    async with running(model(session), workers=1) as device, connected(device) as client:
        dispatch = device.server.plane.dispatch
        client.call(1, MESSAGE)
        await until(lambda: dispatch.running, "one runs")
        client.call(3, MESSAGE)
        await until(lambda: dispatch.waiting, "one waits")
        client.send(h2.reset(3, h2.CANCEL))
        await until(lambda: not dispatch.waiting, "its place is free")
        session.gate.set()
        assert (await client.status(1))[1] == "0"


async def test_memory_comes_back_also_while_more_is_held_than_the_limit(session: Gated, tmp_path: Path) -> None:
    """Answers that wait for their clients count, although nobody is refused for their own."""
    models = model(session), served(tinyonnx.linear(tmp_path, np.eye(2)))
    async with running(*models, workers=1, max_memory=20_000) as device:
        async with connected(device) as leaving, connected(device, INITIAL_WINDOW=0) as deaf:
            deaf.call(1, raw(ones(2000, 2)).SerializeToString())
            await until(lambda: held(device) > 20_000, "an answer waits for its client")
            device.server.memory.limit = held(device) + len(MESSAGE) + 5
            leaving.call(1, MESSAGE)
            await until(lambda: device.server.plane.dispatch.running, "one runs")
            device.server.memory.limit = 20_000
            leaving.send(h2.reset(1, h2.CANCEL))
            session.gate.set()
            await until(lambda: not device.server.plane.dispatch.running, "it is over")
        await until(lambda: not held(device), "their memory is free")


def test_what_is_remembered_of_requests_holds_none_of_their_tensors() -> None:
    class Body(np.ndarray[Any, Any]):
        """What can be watched."""

    message = raw(np.ones((1000, 2), np.uint8), datatype="UINT8").SerializeToString()
    body = np.frombuffer(message, np.uint8).copy().view(Body)
    gone = weakref.ref(body)
    for _ in range(2):
        decode_request(body.data, 10_000, None)
    del body
    gc.collect()
    assert gone() is None


REFUSED = 'edgewise_requests_total{model="",outcome="refused",source="",version=""}'
UNREAD = {
    "a message that is too large": (struct.pack("!BI", 0, 200_000), {}, "8"),
    "a message that is no gzip": (struct.pack("!BI", 1, 3) + b"abc", {"grpc_encoding": "gzip"}, "3"),
    "a message that does not come": (b"\0\0", {}, "4"),
    "hops that are no number": (prefixed(GOOD), {"edgewise_hops": "x"}, "3"),
}


@pytest.mark.parametrize("method", ["ModelInfer", "ModelStreamInfer"])
@pytest.mark.parametrize("case", UNREAD)
async def test_requests_that_are_refused_before_they_are_read_are_counted(
    case: str, method: str, device: Running
) -> None:
    sent, fields, code = UNREAD[case]
    async with connected(device) as client:
        client.send(h2.frame(h2.HEADERS, h2.END_HEADERS, 1, client.head(method, **fields)))
        client.send(h2.frame(h2.DATA, 0 if case.endswith("come") else h2.END_STREAM, 1, sent))
        data, status = await client.status(1)
    assert status == code or next(stream_answers(data)).error_message
    assert await device.metric(REFUSED) == 1


async def test_who_is_not_admitted_is_counted_as_over_http(with_tokens: Running) -> None:
    async with with_tokens.http.post("/v2/models/linear/infer", data=b"{}") as answer:
        assert answer.status == 401
    for method in ("ModelInfer", "ServerMetadata"):  # the second asks no model
        async with connected(with_tokens) as client:
            client.call(1, method=method)
            assert (await client.status(1))[1] == "16"  # UNAUTHENTICATED
    assert await with_tokens.metric(REFUSED) == 2


async def test_a_flood_of_calls_that_are_reset_at_once_is_stopped(session: Gated) -> None:
    """Rapid reset: each call is over before it counts against the number of calls."""
    async with running(model(session), workers=1) as device, connected(device) as client:
        for number in range(3000):
            stream = 2 * number + 1
            client.send(h2.frame(h2.HEADERS, h2.END_HEADERS, stream, client.head()), h2.reset(stream, h2.CANCEL))
        assert (await client.next(h2.GOAWAY)).code == h2.ENHANCE_YOUR_CALM


async def test_more_calls_than_are_taken_are_refused_and_may_come_again(session: Gated) -> None:
    async with running(model(session), workers=1, max_queue=200) as device:
        async with connected(device) as client:
            for number in range(101):
                client.call(2 * number + 1, MESSAGE)
            refused = await client.next(h2.RST_STREAM)
            assert (refused.stream, refused.code) == (201, h2.REFUSED_STREAM)
        session.gate.set()
        await until(lambda: not device.server.plane.dispatch.waiting, "nothing is left")


async def test_a_drain_tells_clients_to_go_and_finishes_what_has_begun(session: Gated) -> None:
    async with running(model(session), workers=1) as device, connected(device) as client:
        client.call(1, MESSAGE)
        await until(lambda: device.server.plane.dispatch.running, "it runs")
        draining = asyncio.ensure_future(device.server.drain(PATIENCE_SECONDS))
        await until(lambda: device.server.plane.draining, "it drains")
        session.gate.set()
        assert (await client.status(1))[1] == "0"
        assert (await client.next(h2.GOAWAY)).code == h2.NO_ERROR
        await draining


async def test_a_stream_may_be_silent_but_not_in_the_middle_of_a_message(device: Running) -> None:
    async with connected(device) as client:
        client.send(h2.frame(h2.HEADERS, h2.END_HEADERS, 1, client.head("ModelStreamInfer")))
        await until(lambda: [*deadlines(device)] == [math.inf], "it may be silent")
        client.send(h2.frame(h2.DATA, 0, 1, prefixed(GOOD)[:20]))
        _, status = await client.status(1)
        assert status == "4"  # DEADLINE_EXCEEDED


def deadlines(device: Running) -> Iterator[float]:
    for guest in device.server.grpc.guests:
        assert isinstance(guest, Connection)
        yield from (call.deadline for call in guest.calls.values())


async def test_a_stream_of_ten_thousand_messages_takes_no_more_than_their_bytes(device: Running) -> None:
    """All sent before the first is answered; each is answered in its turn, and health in between."""
    count = 10_000
    async with connected(device, INITIAL_WINDOW=2**31 - 1) as client:
        client.send(h2.window_update(0, 2**30))
        await client.next(h2.SETTINGS)
        client.send(h2.frame(h2.HEADERS, h2.END_HEADERS, 1, client.head("ModelStreamInfer")))
        client.send(*[h2.frame(h2.DATA, 0, 1, bytes(5) * 1000)] * (count // 1000), h2.frame(h2.DATA, h2.END_STREAM, 1))
        data, _ = await client.status(1)
    answers = list(stream_answers(data))
    assert len(answers) == count
    assert {answer.error_message for answer in answers} == {"the request has no inputs"}
    await until(lambda: not held(device), "their memory is free")


def held(device: Running) -> int:
    return device.server.memory.held
