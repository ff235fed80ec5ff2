"""The calls of an HTTP/2 connection: they begin, are fed, answered and ended. Made by the listener for each client.

Whatever a client does, it holds a connection, the bytes that it has really sent, and `Limits.patience` seconds of
anything that it does not finish.
"""

from __future__ import annotations

from edgewise_runtime.access.peer import Peer
from edgewise_runtime.errors import NotServedError, ServingError, shown
from edgewise_runtime.grpc import frames as h2
from edgewise_runtime.grpc.call import Call, Stranger
from edgewise_runtime.grpc.frames import BrokenRulesError, frame
from edgewise_runtime.grpc.heads import MAX_BLOCK, Head, MalformedError, bad_end
from edgewise_runtime.grpc.service import Service
from edgewise_runtime.grpc.session import CALLS, GRANTED, Session

_NOWHERE = memoryview(b"")


class Connection(Session):
    """Used from the event loop only."""

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._window = GRANTED
        self._data: Call | None = None  # whose frame is arriving; None: nobody's
        self._block, self._block_ends = bytearray(), False  # headers that are not complete

    # Frames.

    def frame_received(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind < len(_HANDLERS):
            _HANDLERS[kind](self, flags, stream, payload)
        else:
            self.disturbed()  # of a kind that is not known: to be skipped

    def data_begins(self, stream: int, size: int) -> None:
        self._window -= size
        if self._window < 0:
            raise BrokenRulesError(h2.FLOW_CONTROL_ERROR, "more data than was allowed")
        if self._window < GRANTED // 2:
            self.write(h2.window_update(0, GRANTED - self._window))
            self._window = GRANTED
        call = self._data = self.calls.get(stream)
        if not size:
            self.disturbed()
        if call is None or call.ended:
            self.past.check_late(stream)
            return
        call.window -= size
        if call.window < 0:
            self.cut(call, h2.FLOW_CONTROL_ERROR)

    def data_received(self, chunk: memoryview) -> None:
        self._fed(len(chunk), chunk)

    def data_filled(self, size: int) -> None:
        self._fed(size, None)

    def data_room(self) -> memoryview:
        return self._data.inbox.room if self._data is not None else _NOWHERE

    def data_ends(self, flags: int) -> None:
        call, self._data = self._data, None
        if call is None:
            return
        try:
            call.received()
        except ServingError as error:
            call.fail(error)
        if flags & h2.END_STREAM and call.stream in self.calls:
            self._end(call)

    def _fed(self, size: int, chunk: memoryview | None) -> None:
        call = self._data
        if call is None:
            return
        call.arrived += size
        try:
            if call.inbox.keeps:
                self.take(call, size)
            if chunk is None:
                call.inbox.filled(size)
            else:
                call.inbox.feed(chunk)
        except ServingError as error:
            call.fail(error)

    def _headers(self, flags: int, stream: int, payload: bytes) -> None:
        if stream % 2 == 0:
            raise BrokenRulesError(h2.PROTOCOL_ERROR, "a call on a stream that is not the client's")
        start, end = 0, len(payload)
        if flags & h2.PADDED:
            start, end = 1, end - (payload[0] if payload else 256)
        if flags & h2.WITH_PRIORITY:
            start += 5
        if start > end:
            raise BrokenRulesError(h2.PROTOCOL_ERROR, "more padding than payload")
        self._block, self._block_ends = bytearray(payload[start:end]), bool(flags & h2.END_STREAM)
        self.continued = stream
        self._continue(flags, stream, b"")

    def _continue(self, flags: int, stream: int, payload: bytes) -> None:
        if not self.continued:
            raise BrokenRulesError(h2.PROTOCOL_ERROR, "headers that continue nothing")
        self._block += payload
        if len(self._block) > MAX_BLOCK:
            raise BrokenRulesError(h2.ENHANCE_YOUR_CALM, f"headers of more than {MAX_BLOCK} bytes")
        if flags & h2.END_HEADERS:
            self.continued = 0
            self._block_complete(stream, bytes(self._block))
        else:
            self.disturbed()

    def _block_complete(self, stream: int, block: bytes) -> None:
        if stream <= self.past.last:
            self._trailers(stream, block)
            return
        self.past.last = stream
        try:
            head = self.heads.read(block)
        except MalformedError:
            self._turn_away(stream, h2.PROTOCOL_ERROR)
            return
        if self.leaving or len(self.calls) >= CALLS:
            self._turn_away(stream, h2.REFUSED_STREAM)
        else:
            self._begin(stream, head)

    def _turn_away(self, stream: int, code: int) -> None:
        """Before there is a call."""
        self.disturbed()
        self.past.cut_short(stream)
        self.write(h2.reset(stream, code))

    def _trailers(self, stream: int, block: bytes) -> None:
        call, fine = self.calls.get(stream), self.heads.trailers(block)
        if call is None or call.ended:
            self.disturbed()
            self.past.check_late(stream)
        elif not self._block_ends:
            raise BrokenRulesError(h2.PROTOCOL_ERROR, "a second block of headers")
        elif fine:
            self._end(call)
        else:
            self.cut(call, h2.PROTOCOL_ERROR)

    def _end(self, call: Call) -> None:
        """The client has sent all."""
        if call.head.length not in (None, call.arrived):
            self.cut(call, h2.PROTOCOL_ERROR)
            return
        try:
            call.end()
        except ServingError as error:
            call.fail(error)

    def _begin(self, stream: int, head: Head) -> None:
        try:
            call = self._called(stream, head)
        except ServingError as error:
            self._end_stream(stream, bad_end(error, started=False), self._block_ends)
            return
        self.calls[stream] = call
        if self._block_ends:
            self._end(call)

    def _called(self, stream: int, head: Head) -> Call:
        if not head.content_type.startswith("application/grpc"):
            return Stranger(self, stream, head)
        method = (self.service.methods or {}).get(head.path)
        try:
            self.admit(head)
        except ServingError as error:
            if method is not None:
                method.refused(error)
            raise
        if method is None:
            raise NotServedError(f"there is no method {shown(head.path)} here")
        return Call(self, stream, head, method)

    def _reset(self, _flags: int, stream: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise BrokenRulesError(h2.FRAME_SIZE_ERROR, "RST_STREAM")
        self.past.check(stream)
        self.disturbed()
        call = self.calls.get(stream)
        if call is not None:
            self.forget(call)

    def _widened(self, _flags: int, stream: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise BrokenRulesError(h2.FRAME_SIZE_ERROR, "WINDOW_UPDATE")
        more = int.from_bytes(payload, "big") & h2.MAX_WINDOW
        self.disturbed()
        if not more:
            raise BrokenRulesError(h2.PROTOCOL_ERROR, "a window that is not wider")
        if stream == 0:
            self.outbox.widen(more)
            for waiting in [call for call in self.calls.values() if call.out.parts]:
                waiting.opened(0)
            return
        self.past.check(stream)
        call = self.calls.get(stream)
        if call is not None and call.out.window + more > h2.MAX_WINDOW:
            self.cut(call, h2.FLOW_CONTROL_ERROR)
        elif call is not None:
            call.opened(more)

    def _priority(self, _flags: int, stream: int, payload: bytes) -> None:
        if len(payload) != 5 or not stream:
            raise BrokenRulesError(h2.FRAME_SIZE_ERROR, "PRIORITY")
        self.disturbed()

    # What calls need.

    def take(self, call: Call, size: int) -> None:
        """Memory for what has arrived; OverloadedError."""
        self.service.memory.take(size)
        call.held += size

    def hold(self, call: Call, size: int) -> None:
        """An answer that waits is there already: those who come later are refused for it."""
        self.service.memory.hold(size)
        call.held += size

    def give_back(self, call: Call, size: int) -> None:
        """The message of a stream is answered: its memory is free, and the client may send more."""
        self.service.memory.give_back(size)
        call.held -= size
        used = self.granted - call.window
        if used > self.granted // 2:
            call.window = self.granted
            self.write(h2.window_update(call.stream, used))

    def answered(self, call: Call) -> None:
        """It is over, as it should be."""
        self.forget(call)
        self.useful()

    def refuse(self, call: Call, error: ServingError) -> None:
        """Ends it with an error."""
        if call.out.parts:
            self.cut(call, h2.CANCEL)
            return
        self._end_stream(call.stream, bad_end(error, call.started), call.ended)
        self.forget(call)

    def finish(self, call: Call, end: bytes) -> None:
        """Ends a stream, unless it has ended."""
        if call.stream not in self.calls:
            return
        self._end_stream(call.stream, end, call.ended)
        self.answered(call)

    def cut(self, call: Call, code: int) -> None:
        """Ends it without a word."""
        self.past.cut_short(call.stream)
        self.write(h2.reset(call.stream, code))
        self.forget(call)

    def forget(self, call: Call) -> None:
        if self._data is call:
            self._data = None
        self.past.ended(call.stream)
        super().forget(call)

    def admit(self, head: Head) -> None:
        """ServingError where this client may not ask that now."""
        self.service.admit(head, lambda: Peer.of_transport(self.outbox.transport))

    def _end_stream(self, stream: int, block: bytes, ended: bool) -> None:
        """`ended`: the client has sent all; else it is told to spare itself the rest."""
        last = frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, stream, block)
        if not ended:
            self.past.cut_short(stream)
            last += h2.reset(stream, h2.NO_ERROR)
        self.write(last)


_HANDLERS = (
    Connection.refused_frame,  # DATA does not come here
    Connection._headers,
    Connection._priority,
    Connection._reset,
    Connection.settings_received,
    Connection.refused_frame,
    Connection.ping_received,
    Connection.goaway_received,
    Connection._widened,
    Connection._continue,
)
