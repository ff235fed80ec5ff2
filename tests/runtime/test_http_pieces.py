"""However a stream of requests is cut into pieces, it means the same: to the head, to chunks, to what follows."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise_runtime.access import Peer
from edgewise_runtime.errors import ServingError
from edgewise_runtime.http.answer import whole
from edgewise_runtime.http.application import Call
from edgewise_runtime.http.connection import Connection
from edgewise_runtime.http.head import END, Head, parse_head
from edgewise_runtime.http.service import Service
from edgewise_runtime.ports.content import Intake
from edgewise_runtime.ports.memory import Memory
from edgewise_runtime.ports.reception import Limits
from tests.runtime.raw import chunked, post

LIMIT = 2000


class Echo:
    """Sends each body back."""

    draining = False

    def call(self, head: Head) -> Call:
        return Call(lambda body: whole(bytes(body)), Intake(LIMIT, binary_at=3))

    def admit(self, head: Head, peer: Callable[[], Peer]) -> None:
        """Everybody."""


class Wire(asyncio.Transport):
    """Remembers what is written; a client that reads at once."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.ended = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.ended = True

    def pause_reading(self) -> None:
        """Nothing is read by itself here."""

    def resume_reading(self) -> None:
        """Nothing is read by itself here."""


async def answered(pieces: list[bytes]) -> tuple[bytes, bool]:
    """What is written in answer to them, and whether the connection ends."""
    service, wire = Service(Echo(), Limits(patience=30.0), Memory(10 * LIMIT)), Wire()
    connection = Connection(service)
    connection.connection_made(wire)
    for piece in filter(None, pieces):
        if wire.ended:
            break
        while piece:
            room = connection.get_buffer(-1)
            size = min(len(room), len(piece))
            room[:size] = piece[:size]
            connection.buffer_updated(size)
            piece = piece[size:]
            await asyncio.sleep(0)  # requests beyond a turn's number wait for the next one
    for _ in range(20):
        await asyncio.sleep(0)
    connection.connection_lost(None)
    service.close()
    assert service.memory.held == 0
    return wire.written, wire.ended


BODIES = st.binary(max_size=60)
REQUESTS = st.one_of(
    st.builds(post, BODIES),
    st.lists(BODIES.filter(bool), max_size=4).map(lambda chunks: chunked(*chunks)),
    st.just(post(b"", length=LIMIT + 1)),
    st.just(b"GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n"),
)


@given(st.lists(REQUESTS, min_size=1, max_size=4), st.data())
def test_pieces_mean_the_same_as_the_whole(requests: list[bytes], data: st.DataObject) -> None:
    # Behind chunks a client has to wait for the answer, see docs/adr/20261121.http-layer.md: each request by itself.
    for request in requests:
        cuts = sorted(data.draw(st.sets(st.integers(1, len(request)), max_size=6)))
        pieces = [request[start:end] for start, end in zip([0, *cuts], [*cuts, len(request)], strict=True)]
        assert asyncio.run(answered(pieces)) == asyncio.run(answered([request]))


@given(st.lists(st.builds(post, BODIES), min_size=1, max_size=40), st.data())
def test_requests_of_known_length_may_be_cut_anywhere(requests: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(requests)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream)), max_size=6)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    written, ended = asyncio.run(answered(pieces))
    bodies = [request.partition(END)[2] for request in requests]
    assert [part.partition(b"\r\n\r\n")[2] for part in written.split(b"HTTP/1.1 200 OK")[1:]] == bodies
    assert not ended


@given(st.binary(max_size=200))
@pytest.mark.parametrize("start", [b"", b"GET / HTTP/1.1\r\nHost: a\r\n", b"POST /v2 HTTP/1.1\r\nTransfer-Encoding: "])
def test_any_bytes_are_a_head_or_a_clear_refusal(start: bytes, rest: bytes) -> None:
    with contextlib.suppress(ServingError):
        head = parse_head(start + rest + END)
        assert head.length is None or head.length >= 0
