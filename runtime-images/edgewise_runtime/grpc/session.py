"""What concerns an HTTP/2 connection as a whole: settings, windows, pings, how it ends. Connection adds the calls.

What would make work for nothing (pings, settings, resets) has a rate: a client may do it, but not live on it.
"""

from __future__ import annotations

import asyncio
import struct

from edgewise_runtime.errors import told
from edgewise_runtime.grpc import frames as h2
from edgewise_runtime.grpc.call import NEVER, Call
from edgewise_runtime.grpc.frames import BrokenRulesError, frame
from edgewise_runtime.grpc.heads import MAX_BLOCK, Heads
from edgewise_runtime.grpc.outbox import Outbox
from edgewise_runtime.grpc.past import Past
from edgewise_runtime.grpc.reader import Reader
from edgewise_runtime.grpc.service import Service
from edgewise_runtime.ports.sending import end

CALLS = 100
"""At the same time on one connection; a client opens another one for more."""
GRANTED = h2.MAX_WINDOW
"""Bytes a connection may send before it is given more: memory is bounded by what has arrived, of all clients."""
_LARGEST = 2**20  # bytes of a frame, both ways: a large tensor takes one read, and nobody waits long for his turn
_NOISE = 500.0  # frames without a use that may come at once
_CALM = 10.0  # of them, a second
_FORGIVEN = 8.0  # of them, for each call that was answered,
_ANSWER = 4096.0  # and one more for so many bytes of answers: pings and windows come with those
_SILENCE = 60.0  # seconds in which calls wait and nothing arrives: then a ping, for a bad link does not tell of its end


class Session(Reader):
    """Used from the event loop only."""

    def __init__(self, service: Service) -> None:
        self.granted = min(service.limit + h2.WINDOW, h2.MAX_WINDOW)
        """Bytes a call may send before it is given more."""
        super().__init__(service.scratch, largest=min(self.granted, _LARGEST))
        self.service = service
        self.limits = service.limits
        self.loop = asyncio.get_running_loop()
        self.outbox = Outbox()
        self.calls: dict[int, Call] = {}
        self.heads = Heads()
        self.past = Past()
        self.leaving = False
        """Calls that come now belong to another server."""
        self._lost = self._pinged = False
        self._quiet = self.loop.time() + self.limits.patience  # when the client's silence is too long
        self._blocked = NEVER  # when it has to have read what was sent
        self._unread = 0  # bytes of that
        self._loading: asyncio.Task[None] | None = None
        self._noise, self._noise_at = 0.0, self.loop.time()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.outbox.transport = transport  # type: ignore[assignment]  # create_server's are Transports
        settings = {h2.TABLE_SIZE: 0, h2.MAX_STREAMS: CALLS, h2.INITIAL_WINDOW: self.granted,
                    h2.MAX_FRAME: self.largest, h2.MAX_HEADER_LIST: MAX_BLOCK}  # fmt: skip
        self.write(h2.settings(settings) + h2.window_update(0, GRANTED - h2.WINDOW))
        if not self.service.welcome(self):
            self.write(h2.goaway(0, h2.ENHANCE_YOUR_CALM, "more clients are connected than this device takes"))
            self.close()

    def connection_lost(self, _error: Exception | None) -> None:
        """A client that goes away leaves no work behind."""
        self._lost = self.closing = True
        if self._loading is not None:
            self._loading.cancel()
        self.forget_all()
        self.service.memory.give_back(self._unread)
        self.service.farewell(self)

    def pause_writing(self) -> None:
        """The client reads slowly: until it has read, its next frames wait, and what is there for it counts as held."""
        self._blocked = self.loop.time() + self.limits.patience
        self._unread = self.outbox.transport.get_write_buffer_size()
        self.service.memory.hold(self._unread)
        self._listen()

    def resume_writing(self) -> None:
        self._blocked = NEVER
        self.service.memory.give_back(self._unread)
        self._unread = 0
        self._listen()

    # What the service calls.

    @property
    def paused(self) -> bool:
        return self.held or self._blocked != NEVER

    @property
    def idle(self) -> bool:
        return not self.calls

    @property
    def deadline(self) -> float:
        return min([self._quiet, self._blocked, *(call.deadline for call in self.calls.values())])

    def expire(self) -> None:
        """A call, or the connection, has taken too long."""
        now = self.loop.time()
        for call in [call for call in self.calls.values() if call.deadline <= now]:
            call.expire()
        silent = self._quiet <= now and (not self.greeted or not self.heard)
        if self._blocked <= now or (silent and (self._pinged or not self.greeted)):
            self.abort()
        elif silent and not self.calls:
            self.leave()
        elif self._quiet <= now:
            self._pinged = not self.heard
            if self._pinged:
                self.write(frame(h2.PING, 0, 0, b"edgewise"))
            self._quiet = now + (self.limits.patience if self._pinged else self._silence)
            self.heard = False

    def leave(self) -> None:
        """Calls that are here are answered."""
        if not self.leaving and not self.closing:
            self.leaving = True
            self.write(h2.goaway(self.past.last, h2.NO_ERROR))
            for call in list(self.calls.values()):
                call.leave()
        if not self.calls:
            self.close()

    def abort(self) -> None:
        self.closing = True
        self.outbox.transport.abort()

    # Frames.

    def settings_received(self, flags: int, stream: int, payload: bytes) -> None:
        if stream or len(payload) % 6 or (flags & h2.ACK and payload):
            raise BrokenRulesError(h2.PROTOCOL_ERROR if stream else h2.FRAME_SIZE_ERROR, "SETTINGS")
        self.disturbed()
        if flags & h2.ACK:
            self.heads.tables = False
            return
        for key, value in struct.iter_unpack("!HI", payload):
            self._set(key, value)
        self.write(frame(h2.SETTINGS, h2.ACK, 0))
        if self.service.methods is None and not self.held:
            self._hold()

    def ping_received(self, flags: int, stream: int, payload: bytes) -> None:
        if stream or len(payload) != 8:
            raise BrokenRulesError(h2.PROTOCOL_ERROR if stream else h2.FRAME_SIZE_ERROR, "PING")
        self.disturbed()
        if not flags & h2.ACK:
            self.write(frame(h2.PING, h2.ACK, 0, payload))

    def goaway_received(self, _flags: int, stream: int, _payload: bytes) -> None:
        if stream:
            raise BrokenRulesError(h2.PROTOCOL_ERROR, "GOAWAY of a stream")
        self.disturbed()

    def refused_frame(self, _flags: int, _stream: int, _payload: bytes) -> None:
        raise BrokenRulesError(h2.PROTOCOL_ERROR, "a frame that no client may send")

    def disturbed(self) -> None:
        """By a frame that asks for nothing."""
        now = self.loop.time()
        self._noise = max(0.0, self._noise - (now - self._noise_at) * _CALM) + 1
        self._noise_at = now
        if self._noise > _NOISE and self._noise > self.outbox.sent / _ANSWER:
            raise BrokenRulesError(h2.ENHANCE_YOUR_CALM, "too many frames that ask for nothing")

    def broken(self, error: BrokenRulesError) -> None:
        """Says so, and ends. What the client still sends is thrown away for a moment, so that it gets to read that."""
        self.write(h2.goaway(self.past.last, error.code, str(error)))
        self.closing = True
        self.forget_all()
        self._blocked = self.loop.time() + self.limits.linger
        end(self.outbox.transport)

    def forget_all(self) -> None:
        """Ends all calls without a word."""
        for call in list(self.calls.values()):
            self.forget(call)

    def forget(self, call: Call) -> None:
        """It is over."""
        if self.calls.pop(call.stream, None) is None:
            return
        at_work, give_back, held = call.cancel(), self.service.memory.give_back, call.held
        if at_work is None:
            give_back(held)
        else:
            at_work.add_done_callback(lambda _: give_back(held))
        if not self.calls and not self.closing:
            if self.leaving:
                self.close()
            else:
                self._quiet = self.loop.time() + self.limits.keep_alive

    def useful(self) -> None:
        """A call was answered: what came along with it is forgiven."""
        self._noise = max(0.0, self._noise - _FORGIVEN - self.outbox.sent / _ANSWER)
        self.outbox.sent = 0
        if self.service.draining:
            self.leave()

    def write(self, data: bytes) -> None:
        if not self._lost:
            self.outbox.transport.write(data)

    def close(self) -> None:
        """When all that was written has left."""
        self.closing = True
        self._blocked = self.loop.time() + self.limits.linger
        self.outbox.transport.close()

    @property
    def _silence(self) -> float:
        return _SILENCE if self.calls else self.limits.keep_alive

    def _set(self, key: int, value: int) -> None:
        outbox = self.outbox
        if key == h2.INITIAL_WINDOW:
            if value > h2.MAX_WINDOW:
                raise BrokenRulesError(h2.FLOW_CONTROL_ERROR, "the window is too large")
            more, outbox.first_window = value - outbox.first_window, value
            for call in list(self.calls.values()):
                call.opened(more)
        elif key == h2.MAX_FRAME:
            if not h2.SMALLEST_FRAME <= value <= h2.LARGEST_FRAME:
                raise BrokenRulesError(h2.PROTOCOL_ERROR, "no such size of a frame")
            outbox.largest = min(value, _LARGEST)
        elif key == h2.ENABLE_PUSH and value > 1:
            raise BrokenRulesError(h2.PROTOCOL_ERROR, "neither push nor none")

    def _hold(self) -> None:
        """The first client of all: what it asks waits until there are methods."""
        self.held = True
        self._listen()
        self._loading = self.loop.create_task(self._load())

    async def _load(self) -> None:
        try:
            await self.service.load()
        except Exception as error:  # noqa: BLE001  the client is told
            self.broken(BrokenRulesError(h2.INTERNAL_ERROR, str(told(error, "loading the methods of gRPC"))))
            return
        self.held = False
        self._listen()
        self.go_on()

    def _listen(self) -> None:
        """Reads on, unless something has to come first."""
        if self._lost or self.closing:
            return
        if self.paused:
            self.outbox.transport.pause_reading()
        else:
            self.outbox.transport.resume_reading()
