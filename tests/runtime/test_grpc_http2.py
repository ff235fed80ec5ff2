"""HTTP/2 by hand: who breaks its rules, and what is allowed though no client of gRPC does it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from hpack import Encoder
from hypothesis import given, settings
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2 as pb

from edgewise_runtime.grpc import frames as h2
from edgewise_runtime.grpc.heads import Heads
from edgewise_runtime.grpc.wire import as_varint, split_request
from tests.runtime.http2client import GOOD, connected, prefixed, stream_answers
from tests.runtime.serving import Running, running

pytestmark = pytest.mark.loops


BROKEN: dict[str, tuple[bytes, int]] = {
    "a frame of a stream never opened": (h2.frame(h2.DATA, 0, 1, b"x"), h2.PROTOCOL_ERROR),
    "a call on an even stream": (h2.frame(h2.HEADERS, h2.END_HEADERS, 2, b"\x82"), h2.PROTOCOL_ERROR),
    "headers on no stream": (h2.frame(h2.HEADERS, h2.END_HEADERS, 0, b"\x82"), h2.PROTOCOL_ERROR),
    "headers that cannot be read": (h2.frame(h2.HEADERS, h2.END_HEADERS, 1, b"\xff\xff\xff"), h2.COMPRESSION_ERROR),
    "a frame within headers": (h2.frame(h2.HEADERS, 0, 1, b"\x82") + h2.frame(h2.PING, 0, 0, bytes(8)), 1),
    "headers without end": (
        h2.frame(h2.HEADERS, 0, 1) + h2.frame(h2.CONTINUATION, 0, 1, bytes(9000)) * 2, h2.ENHANCE_YOUR_CALM
    ),
    "headers that continue nothing": (h2.frame(h2.CONTINUATION, 0, 1, b"\x82"), h2.PROTOCOL_ERROR),
    "a push": (h2.frame(h2.PUSH_PROMISE, 0, 1, bytes(8)), h2.PROTOCOL_ERROR),
    "a ping of nine bytes": (h2.frame(h2.PING, 0, 0, bytes(9)), h2.FRAME_SIZE_ERROR),
    "settings of five bytes": (h2.frame(h2.SETTINGS, 0, 0, bytes(5)), h2.FRAME_SIZE_ERROR),
    "a window beyond all bounds": (h2.settings({h2.INITIAL_WINDOW: 2**31}), h2.FLOW_CONTROL_ERROR),
    "a window that grows beyond": (h2.window_update(0, 2**31 - 1), h2.FLOW_CONTROL_ERROR),
    "a window that does not grow": (h2.window_update(0, 0), h2.PROTOCOL_ERROR),
    "a frame size out of bounds": (h2.settings({h2.MAX_FRAME: 100}), h2.PROTOCOL_ERROR),
    "a frame larger than was agreed": (h2.frame_head(2**21, h2.DATA, 0, 1), h2.FRAME_SIZE_ERROR),
    "headers larger than any need": (h2.frame_head(2**15, h2.HEADERS, 0, 1), h2.FRAME_SIZE_ERROR),
    "a flood of pings": (h2.frame(h2.PING, 0, 0, bytes(8)) * 2000, h2.ENHANCE_YOUR_CALM),
    "a flood of settings": (h2.settings({}) * 2000, h2.ENHANCE_YOUR_CALM),
    "a flood of unknown frames": (h2.frame(0x77, 0, 0) * 2000, h2.ENHANCE_YOUR_CALM),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
async def test_who_breaks_the_rules_is_told_and_cut_off(case: str, device: Running) -> None:
    frames, code = BROKEN[case]
    async with connected(device) as client:
        client.send(frames)
        assert (await client.next(h2.GOAWAY)).code == code
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(client.reader.read(), 20)


@pytest.mark.parametrize("changed", [{"_path": None}, {"x_A": "1"}, {"te": "gzip"}, {"connection": "close"}])
async def test_a_malformed_head_resets_its_stream_alone(changed: dict[str, Any], device: Running) -> None:
    async with connected(device) as client:
        client.send(h2.frame(h2.HEADERS, h2.END_HEADERS, 1, client.head(**changed)))
        assert (await client.next(h2.RST_STREAM)).code == h2.PROTOCOL_ERROR
        client.send(h2.frame(h2.DATA, 0, 1, b"was under way"))
        client.call(3)
        assert (await client.status(3))[1] == "0"


async def test_what_is_not_grpc_is_told_so(device: Running) -> None:
    async with connected(device) as client:
        client.send(h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 1, client.head(content_type="text/html")))
        fields = client.decoder.decode((await client.next(h2.HEADERS)).payload)
        assert [str(value) for _, value in fields] == ["415"]


@pytest.mark.parametrize("size", [1, 7, 100])
async def test_frames_may_arrive_in_any_pieces(size: int, device: Running) -> None:
    """Padded, with a priority, their headers in three frames, the message in one frame for each byte or so."""
    async with connected(device) as client:
        block = client.head()
        whole = h2.frame(h2.HEADERS, h2.PADDED | h2.WITH_PRIORITY, 1, b"\x03" + bytes(5) + block[:9] + bytes(3))
        whole += h2.frame(h2.CONTINUATION, 0, 1, block[9:12]) + h2.frame(h2.CONTINUATION, h2.END_HEADERS, 1, block[12:])
        body = prefixed(GOOD)
        for at in range(0, len(body), size):
            whole += h2.frame(h2.DATA, h2.PADDED, 1, b"\x02" + body[at : at + size] + bytes(2))
        whole += h2.frame(h2.DATA, h2.END_STREAM, 1)
        for at in range(0, len(whole), size):
            client.send(whole[at : at + size])
            await client.writer.drain()
            await asyncio.sleep(0)
        answer, status = await client.status(1)
        assert status == "0"
        assert pb.ModelInferResponse.FromString(answer[5:]).model_name == "linear"


async def test_a_client_that_keeps_a_table_of_headers_is_understood(device: Running) -> None:
    """Before it has heard that it should not; the second head is a few bytes that mean the first."""
    async with connected(device) as client:
        for stream in (1, 3, 5):
            client.call(stream)
            assert (await client.status(stream))[1] == "0"


def test_what_one_client_says_without_a_table_another_may_say_into_its_own() -> None:
    """The same bytes, but the second client goes on with a few that mean them."""
    fields = [(":method", "POST"), (":scheme", "http"), (":path", "/a/B"), ("content-type", "application/grpc")]
    encoder = Encoder()
    block, short = encoder.encode(fields), encoder.encode(fields)
    without, with_table = Heads(), Heads()
    assert without.read(b"\x20" + block) == without.read(block)  # 0x20: its table has no room from now on
    assert with_table.read(block) == with_table.read(short)


async def test_a_grpc_timeout_that_cannot_be_read_is_refused(device: Running) -> None:
    async with connected(device) as client:
        client.send(h2.frame(h2.HEADERS, h2.END_HEADERS, 1, client.head(grpc_timeout="1 hour")))
        assert (await client.status(1))[1] == "3"  # INVALID_ARGUMENT


@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 255), st.integers(0, 7), st.binary(max_size=40))))
@settings(max_examples=60, deadline=None)
def test_no_frames_whatever_upset_the_server(frames: list[tuple[int, int, int, bytes]]) -> None:
    """Each is taken, skipped or answered with GOAWAY; nothing else escapes."""

    async def feed() -> None:
        async with running(grpc_port=0) as device, connected(device) as client:
            await client.next(h2.SETTINGS)
            await device.server.grpc.load()
            client.send(*(h2.frame(*frame) for frame in frames), h2.frame(h2.PING, 0, 0, bytes(8)))
            assert (await client.next(h2.PING, h2.GOAWAY)).kind in (h2.PING, h2.GOAWAY)

    asyncio.run(feed())


@given(st.binary(max_size=30), st.lists(st.binary(max_size=300), max_size=4))
def test_a_request_is_taken_apart_without_a_loss(name: bytes, tensors: list[bytes]) -> None:
    head = b"\x0a" + as_varint(len(name)) + name
    whole = head + b"".join(b"\x3a" + as_varint(len(tensor)) + tensor for tensor in tensors)
    rest, spans = split_request(memoryview(whole))
    assert rest == head
    assert [whole[start:end] for start, end in spans] == tensors


async def test_a_stream_that_ends_within_a_message_is_answered_as_far_as_it_goes(device: Running) -> None:
    async with connected(device) as client:
        client.send(h2.frame(h2.HEADERS, h2.END_HEADERS, 1, client.head("ModelStreamInfer")))
        client.send(h2.frame(h2.DATA, h2.END_STREAM, 1, prefixed(GOOD) + prefixed(GOOD)[:20]))
        data, status = await client.status(1)
    assert [answer.infer_response.model_name for answer in stream_answers(data)] == ["linear"]
    assert status == "3"  # INVALID_ARGUMENT
