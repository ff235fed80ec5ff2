"""One HTTP/2 connection that carries one exchange at a time, as HTTP/1.1's do. Used by grpc.py.

h2 knows the protocol and does no I/O; this does the I/O and little else. An exchange that is given up takes its
connection with it, so nothing of it can get into the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings
from hpack import HeaderTuple
from hyperframe.frame import Frame, GoAwayFrame

_WINDOW = 2**20  # bytes of an answer on their way: what a link of 100 ms and 10 MB/s holds
Headers = dict[str, str]


class BrokenConnectionError(ConnectionError):
    """The connection, or the exchange on it, ended before the answer did."""


@dataclass
class Answer:
    """What came back: the first headers, the body, and what followed it."""

    most: int
    """Bytes; a longer body ends the exchange."""
    headers: Headers = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    trailers: Headers = field(default_factory=dict)
    complete: bool = False

    def take(self, event: Event) -> None:
        """BrokenConnectionError where it cannot go on."""
        if isinstance(event, ResponseReceived):
            self.headers = _read(event.headers)
        elif isinstance(event, TrailersReceived):
            self.trailers = _read(event.headers)
        elif isinstance(event, DataReceived):
            self.body += event.data
            if len(self.body) > self.most:
                raise BrokenConnectionError(f"the answer is larger than {self.most} bytes")
        elif isinstance(event, StreamEnded):
            self.complete = True
        elif isinstance(event, StreamReset) and not self.complete:
            raise BrokenConnectionError(f"the call was reset ({_named(event.error_code)})")


class _Protocol(H2Connection):
    """h2 takes a GOAWAY for the end of everything. By RFC 9113 (6.8) calls that are under way still come to theirs, and
    servers that drain, or let no connection grow old, count on it."""

    def _receive_goaway_frame(self, frame: GoAwayFrame) -> tuple[list[Frame], list[Event]]:
        event = ConnectionTerminated()
        event.error_code, event.last_stream_id = frame.error_code, frame.last_stream_id
        return [], [event]


class Connection(asyncio.Protocol):
    """Made by asyncio's `create_connection`."""

    def __init__(self) -> None:
        self._h2 = _Protocol(H2Configuration(client_side=True, header_encoding=None))
        wishes = {SettingCodes.ENABLE_PUSH: 0, SettingCodes.INITIAL_WINDOW_SIZE: _WINDOW}
        self._h2.local_settings = Settings(client=True, initial_values=wishes)
        self._answer: Answer | None = None
        self._stream = 0
        self._leaving = False
        self._broken: Exception | None = None
        self._full = False
        self._news = asyncio.Event()

    @property
    def usable(self) -> bool:
        """Whether another exchange may begin."""
        return self._broken is None and not self._leaving and not self._transport.is_closing()

    async def exchange(self, headers: Sequence[HeaderTuple], body: memoryview, most: int) -> Answer:
        """Sends a request and takes its answer, of at most `most` bytes. BrokenConnectionError.

        A server may answer, and be done, before it has taken the whole body; the connection is then used up."""
        self._answer = answer = Answer(most)
        try:
            self._stream = self._h2.get_next_available_stream_id()
            self._h2.send_headers(self._stream, headers)
            left = body
            while not answer.complete:
                left = self._send(left)
                await self._change()
            if len(left) or self._leaving:
                self.abort()
            return answer
        except H2Error as error:
            self._fail(error)
            raise BrokenConnectionError(str(error)) from None
        except BaseException:
            self.abort()
            raise
        finally:
            self._answer = None

    def abort(self) -> None:
        self._transport.abort()

    def _send(self, left: memoryview) -> memoryview:
        """As much of the body as the server, and the socket, take now; what is left of it."""
        while len(left) and not self._full:
            size = min(self._h2.local_flow_control_window(self._stream), self._h2.max_outbound_frame_size, len(left))
            if not size:
                break
            self._h2.send_data(self._stream, left[:size], end_stream=size == len(left))
            left = left[size:]
            self._flush()
        self._flush()
        return left

    async def _change(self) -> None:
        await self._news.wait()
        self._news.clear()
        if self._broken is not None:
            raise BrokenConnectionError(str(self._broken)) from None

    def _fail(self, error: Exception) -> None:
        """Nothing more will come of this connection."""
        self._broken = self._broken or error
        self._news.set()
        self.abort()

    def _flush(self) -> None:
        waiting = self._h2.data_to_send()
        if waiting:
            self._transport.write(waiting)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(_WINDOW - self._h2.inbound_flow_control_window)
        self._flush()

    def data_received(self, data: bytes) -> None:
        try:
            for event in self._h2.receive_data(data):
                self._take(event)
            self._flush()
        except (H2Error, BrokenConnectionError) as error:
            self._fail(error)
        self._news.set()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._news.set()

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(error or BrokenConnectionError("the connection was closed before the answer"))

    def _take(self, event: Event) -> None:
        if isinstance(event, ConnectionTerminated):
            self._leave(event)
        if isinstance(event, DataReceived) and event.flow_controlled_length:
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        if self._answer is not None and not isinstance(event, InformationalResponseReceived):
            self._answer.take(event)

    def _leave(self, event: ConnectionTerminated) -> None:
        """No further exchange; the present one goes on where the server means to answer it."""
        self._leaving = True
        taken = self._answer is not None and (event.last_stream_id or 0) >= self._stream
        if event.error_code != ErrorCodes.NO_ERROR or not taken:
            raise BrokenConnectionError(f"the server ends the connection ({_named(event.error_code)})")


def _read(headers: Iterable[tuple[bytes | str, bytes | str]]) -> Headers:
    return {_text(name): _text(value) for name, value in headers}


def _text(header: bytes | str) -> str:
    return header if isinstance(header, str) else header.decode("latin-1")


def _named(code: int | None) -> str:
    try:
        return ErrorCodes(code or 0).name
    except ValueError:
        return f"error {code}"
