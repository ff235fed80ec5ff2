"""Sends what HTTP/2's flow control lets through, and keeps the rest. One for each connection; used by connection.py."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from edgewise_runtime.grpc.frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    FLOW_CONTROL_ERROR,
    HEADERS,
    MAX_WINDOW,
    SMALLEST_FRAME,
    WINDOW,
    BrokenRulesError,
    frame,
    frame_head,
)
from edgewise_runtime.ports.sending import Part, send


class Out:
    """What is still to be sent of one call."""

    __slots__ = ("end", "parts", "window")

    def __init__(self, window: int) -> None:
        self.window = window
        self.parts: deque[Part] = deque()
        self.end: bytes | None = None
        """The last frame, once there is one."""


class Outbox:
    """The client's windows, and what waits for them."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.window = WINDOW
        self.first_window = WINDOW
        """Of streams to come."""
        self.largest = SMALLEST_FRAME
        """Bytes of a frame."""
        self.sent = 0
        """Bytes of answers."""

    def answer(self, stream: int, out: Out, head: bytes, parts: Sequence[Part], end: bytes) -> bool:
        """A whole call; `end` are its trailers. Whether all of it went."""
        size = sum(map(len, parts)) + 5
        first = frame(HEADERS, END_HEADERS, stream, head)
        last = frame(HEADERS, END_HEADERS | END_STREAM, stream, end)
        if size > min(self.window, out.window, self.largest):
            self.transport.write(first)
            out.parts.extend((_prefix(size), *parts))
            out.end = last
            return self.pump(stream, out)
        self.window -= size
        out.window -= size
        self.sent += size
        send(self.transport, [first, frame_head(size, DATA, 0, stream), _prefix(size), *parts, last], size)
        return True

    def message(self, stream: int, out: Out, head: bytes, parts: Sequence[Part]) -> bool:
        """One of many; `head` is empty but for the first. Whether all of it went."""
        if head:
            self.transport.write(frame(HEADERS, END_HEADERS, stream, head))
        out.parts.extend((_prefix(sum(map(len, parts)) + 5), *parts))
        return self.pump(stream, out)

    def pump(self, stream: int, out: Out) -> bool:
        """Sends as much as the windows allow; whether that was all."""
        pieces: list[Part] = []
        sent = 0
        while out.parts:
            room = min(self.window, out.window, self.largest)
            if room <= 0:
                break
            size, payload = _take(out.parts, room)
            pieces += (frame_head(size, DATA, 0, stream), *payload)
            self.window -= size
            out.window -= size
            sent += size
        done = not out.parts
        if done and out.end is not None:
            pieces.append(out.end)
            out.end = None
        if pieces:
            self.sent += sent
            send(self.transport, pieces, sent)
        return done

    def widen(self, more: int) -> None:
        """The connection's window."""
        self.window += more
        if self.window > MAX_WINDOW:
            raise BrokenRulesError(FLOW_CONTROL_ERROR, "the window is too large")


def _take(parts: deque[Part], room: int) -> tuple[int, list[Part]]:
    """At most `room` bytes from the front."""
    taken: list[Part] = []
    size = 0
    while parts and size < room:
        part = parts.popleft()
        fits = room - size
        if len(part) > fits:
            view = memoryview(part)
            parts.appendleft(view[fits:])
            part = view[:fits]
        taken.append(part)
        size += len(part)
    return size, taken


def _prefix(size: int) -> bytes:
    """Of a message of `size` bytes, these five included: not compressed, and its length."""
    return b"\0" + (size - 5).to_bytes(4, "big")
