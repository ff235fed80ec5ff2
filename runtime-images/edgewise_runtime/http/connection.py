"""One client: bytes in, requests to the application, one at a time and in order. Made by the listener.

A quick request is answered within the callback that received it: no task, no queue, no copy of a large tensor. Whatever
a client does, it holds a connection, `Limits.patience` seconds and the bytes that it has really sent; nothing else.
"""

from __future__ import annotations

import asyncio

from edgewise_runtime.access.peer import Peer
from edgewise_runtime.errors import BodyTimeoutError, ServingError, UnavailableError
from edgewise_runtime.http.answer import CONTINUE, error_answer, write
from edgewise_runtime.http.answering import Answering
from edgewise_runtime.http.body import ChunkedBody, SizedBody
from edgewise_runtime.http.head import END, check_part, parse_head
from edgewise_runtime.http.service import Service
from edgewise_runtime.ports.content import placed

_TURN = 16  # requests that a client who sends many at once is answered before others have their turn
_NOTHING = memoryview(b"")


class Connection(Answering, asyncio.BufferedProtocol):
    """The half that receives."""

    __slots__ = ("_body", "_partial", "_rest", "_room", "_turn_over", "paused")

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._room = service.room  # where the next bytes are received
        self._rest = bytearray()  # a part of a head, or requests that have to wait
        self._partial = True  # the time for a head is running
        self._body: SizedBody | ChunkedBody | None = None  # while it is not complete
        self._turn_over = self.paused = False

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # create_server's are Transports
        self._wait(self._service.limits.patience)
        if not self._service.welcome(self):
            error = UnavailableError("more clients are connected than this device takes; try again later")
            write(self._transport, error_answer(error), last=True)
            self._close()  # without lingering, which nobody would watch over

    def connection_lost(self, error: Exception | None) -> None:
        self._service.farewell(self)
        super().connection_lost(error)

    def get_buffer(self, _hint: int) -> memoryview:
        return self._room

    def buffer_updated(self, size: int) -> None:
        if self._body is not None:
            self._receive(self._body, size)
        elif self._closing:
            pass
        elif self._rest or self._busy:
            self._rest += self._room[:size]
            self._go_on()
        else:
            self._serve(self._service.scratch, size)

    # What the service calls.

    @property
    def idle(self) -> bool:
        return not self._busy and self._body is None and not self._rest

    def expire(self) -> None:
        if self._body is not None:
            patience = self._service.limits.patience
            self._give_up(BodyTimeoutError(f"the body did not arrive within {patience:g} s"))
        else:
            self.abort()

    def leave(self) -> None:
        if self.idle:
            self._close()

    def abort(self) -> None:
        self._closing = True
        self._transport.abort()

    # Requests, in the order in which they came.

    @property
    def _busy(self) -> bool:
        """Whether the next request has to wait."""
        return self._owing or self._turn_over or self._closing

    def _serve(self, data: bytearray, end: int) -> None:
        """Begins each request of data[:end] that is there with its whole head, and keeps what is left."""
        at = 0
        for _ in range(_TURN):
            stop = data.find(END, at, end)
            if stop < 0:
                self._keep(data[at:end])
                return
            at = self._begin(data, at, stop + len(END), end)
            if at == end:
                return
            if self._busy:
                break
        else:
            self._turn_over = True
            self._loop.call_soon(self._next_turn)
        self._rest = data[at:end]
        self._listen()

    def _next_turn(self) -> None:
        self._turn_over = False
        self._go_on()

    def _go_on(self) -> None:
        """Takes up what has arrived meanwhile, unless it still has to wait."""
        if self._rest and not self._busy:
            rest, self._rest = self._rest, bytearray()
            self._serve(rest, len(rest))
        self._listen()

    def _listen(self) -> None:
        """Reads on as long as nothing waits: also while an answer is due, to see the client leave."""
        paused = self._busy and bool(self._rest)
        if paused != self.paused and not self._lost:
            self.paused = paused
            if paused:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def _keep(self, part: bytearray) -> None:
        """A part of a head. The time for it runs from its first byte, not from its last."""
        self._rest = part
        if not self._partial:
            self._partial = True
            self._wait(self._service.limits.patience)
        try:
            check_part(bytes(part))
        except ServingError as error:
            self._dismiss(error)

    def _begin(self, data: bytearray, at: int, start: int, end: int) -> int:
        """A request: its head is data[at:start], its body begins at `start`. Where the next one begins."""
        self._partial = False
        raw = bytes(data[at:start])
        known = self._service.known.get(raw)
        if known is None:
            try:
                known = self._service.learn(raw, parse_head(raw))
            except ServingError as error:
                self._dismiss(error)
                return end
        self._head, self._call = head, call = known
        refused = call.error
        try:
            if call.guarded:
                self._service.application.admit(head, self._peer)
            if call.check is not None:
                call.check()
            if refused is None:
                return self._take_in(data, start, end)
        except ServingError as error:
            refused = error
        return self._refuse(refused, start, end)

    def _take_in(self, data: bytearray, start: int, end: int) -> int:
        """The body, as far as it is there. Where the next request begins."""
        length = self._head.length
        if length == 0:
            self._respond(_NOTHING)
            return start
        intake, came = self._call.intake, memoryview(data)[start:end]
        if length is not None and length <= len(came):
            self._take(length)
            self._respond(placed(came[:length], intake.binary_at))
            return start + length
        self._body = ChunkedBody(intake, self._service.room) if length is None else SizedBody(length, intake)
        self._wait(self._service.limits.patience)
        if self._head.expects:
            self._transport.write(CONTINUE)
        self._grow(self._body, self._body.add(came))
        return end

    def _receive(self, body: SizedBody | ChunkedBody, size: int) -> None:
        try:
            self._grow(body, body.filled(size))
        except ServingError as error:
            self._give_up(error)

    def _grow(self, body: SizedBody | ChunkedBody, size: int) -> None:
        """`body` holds `size` bytes more."""
        self._take(size)
        if not body.complete:
            self._room = body.room
            return
        self._body, self._room = None, self._service.room
        self._last = body.followed
        self._respond(body.finish())

    # What is not taken.

    def _refuse(self, error: ServingError, start: int, end: int) -> int:
        """Before the body is taken. Where it is all here, the connection lives on. Where the next request begins."""
        if self._call.refused is not None:
            self._call.refused(error)
        length = self._head.length
        if self._body is not None or length is None or length > end - start:
            self._dismiss(error)
            return end
        self._send(error_answer(error))
        return start + length

    def _give_up(self, error: ServingError) -> None:
        """In the middle of a body."""
        if self._call.refused is not None:
            self._call.refused(error)
        self._dismiss(error)

    def _dismiss(self, error: ServingError) -> None:
        """Answers, and ends the connection: nobody knows where its next request begins, or wants to receive that much.

        What the client still sends is thrown away for a moment, so that it gets to read the answer."""
        self._body, self._room, self._rest = None, self._service.room, bytearray()
        self._turn_away(error)
        self._listen()

    def _peer(self) -> Peer:
        return Peer.of_transport(self._transport)
