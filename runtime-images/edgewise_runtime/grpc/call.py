"""One call: its messages in, a method's answers out, and how it ends. Made by connection.py for each HTTP/2 stream."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from edgewise_runtime.errors import (
    BadRequestError,
    BodyTimeoutError,
    DeadlineError,
    ServingError,
    UnavailableError,
    UnsupportedEncodingError,
    shown,
    told,
)
from edgewise_runtime.grpc.frames import CANCEL
from edgewise_runtime.grpc.heads import GOOD_END, NO_GRPC, START, Head
from edgewise_runtime.grpc.inbox import PREFIX, Bin, Inbox
from edgewise_runtime.grpc.method import Answer, Later, Method, Nothing
from edgewise_runtime.grpc.outbox import Out
from edgewise_runtime.ports.content import Intake, unpacked

if TYPE_CHECKING:
    from edgewise_runtime.grpc.connection import Connection

NEVER = float("inf")
_TURN = 16  # messages of a stream that are answered before others have their turn


class Call:
    """Used from the event loop only."""

    __slots__ = (
        "_asked", "_connection", "_due", "_method", "_task", "_timer", "_until",
        "arrived", "deadline", "ended", "head", "held", "inbox", "out", "started", "stream", "window",
    )  # fmt: skip

    def __init__(self, connection: Connection, stream: int, head: Head, method: Method) -> None:
        """BadRequestError where its head has a deadline that cannot be read."""
        self._connection = connection
        self._method = method
        self._due = 0  # bytes that are free when the present message is answered
        self._asked = False  # the method has the present message
        self._task: asyncio.Task[None] | None = None
        seconds = head.seconds
        self._until = NEVER if seconds is None else connection.loop.time() + seconds
        self._timer = None if seconds is None else connection.loop.call_at(self._until, self._late)
        self.stream = stream
        self.head = head
        self.inbox = Inbox(method.limit)
        self.out = Out(connection.outbox.first_window)
        self.held = 0
        """Bytes of the service's memory."""
        self.window = connection.granted
        """Bytes the client may still send."""
        self.arrived = 0
        """Bytes it has sent."""
        self.ended = False
        """The client has sent all it will."""
        self.started = False
        """An answer, or a part of it, has been sent."""
        self.deadline = NEVER
        """When it has to have come further."""
        if not method.streaming:
            self._wait()

    @property
    def idle(self) -> bool:
        """Nothing of it is under way."""
        return self._task is None and self.inbox.first is None and not self.inbox.more and not self.out.parts

    # What the client does.

    def received(self) -> None:
        """More of its messages is there."""
        inbox = self.inbox
        if not self._method.streaming:
            if inbox.first is not None and inbox.more:
                raise BadRequestError("the method takes one message, more were sent")
        elif inbox.first is not None:
            self._advance()
        elif inbox.more and self.deadline == NEVER:
            self._wait()

    def end(self) -> None:
        """The client has sent all."""
        self.ended = True
        if self.inbox.first is None and not self._method.streaming:
            raise BadRequestError("the call ends before its message")
        self._advance()

    @property
    def seconds(self) -> float | None:
        """Of a stream nobody knows: its deadline is that of all its messages."""
        if self._until == NEVER or self._method.streaming:
            return None
        return max(0.0, self._until - self._connection.loop.time())

    def admit(self) -> None:
        """The first message was admitted with the call."""
        if self.started:
            self._connection.admit(self.head)

    def opened(self, more: int) -> None:
        """The client's windows are wider, its own by `more`."""
        self.out.window += more
        if self.out.parts:
            self._wait()
            if self._connection.outbox.pump(self.stream, self.out):
                self._went()
                self._advance()

    def expire(self) -> None:
        """Its deadline has passed."""
        patience = self._connection.limits.patience
        if self.out.parts:
            self._connection.cut(self, CANCEL)
        else:
            self.fail(BodyTimeoutError(f"the message did not arrive within {patience:g} s"))

    def leave(self) -> None:
        """The server wants to go: no further messages of a stream."""
        if self._method.streaming and self.idle:
            self._connection.refuse(self, UnavailableError("this device stops serving; ask again"))

    def cancel(self) -> asyncio.Task[None] | None:
        """Nobody waits for an answer any more. What is still at work on it, perhaps in a thread."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
            return self._task
        return None

    def fail(self, error: ServingError) -> None:
        """Ends it without an answer to a message, or after a part of one. The method hears of messages it never saw."""
        if not self._asked:
            self._method.refused(error)
        self._connection.refuse(self, error)

    # Answers.

    def _advance(self) -> None:
        """Answers the messages that are there, in order, until one takes a while or others should have their turn."""
        for _ in range(_TURN):
            if not self._ready:
                break
            try:
                self._answer()
            except Exception as error:  # noqa: BLE001  the client is told
                self.fail(told(error, self.head.path))
                return
        if self._ready:
            self._connection.loop.call_soon(self._advance)
        elif self.ended and self.idle and self._method.streaming:
            self._connection.finish(self, GOOD_END if self.started else START + GOOD_END)
        elif self.ended and self._task is None and self.inbox.first is None and self.inbox.more:
            self.fail(BadRequestError("the call ends within a message"))

    @property
    def _ready(self) -> bool:
        """Whether a message waits for nothing but its turn."""
        here = self._connection.calls.get(self.stream) is self
        return here and self._task is None and self.inbox.first is not None and not self.out.parts

    def _answer(self) -> None:
        inbox, connection = self.inbox, self._connection
        self.deadline, packed = NEVER, inbox.packed
        message = inbox.take()
        self._due = len(message) + PREFIX
        outcome = partial(self._unpacked, message) if packed else self._ask(message)
        if callable(outcome):
            self._task = connection.loop.create_task(self._await(outcome))
        else:
            self._send(outcome)

    async def _await(self, later: Later) -> None:
        try:
            answer = await later()
        except Exception as error:  # noqa: BLE001  the client is told
            self.fail(told(error, self.head.path))
        else:
            self._task = None
            if self._connection.calls.get(self.stream) is self:
                self._send(answer)
                self._advance()

    async def _unpacked(self, message: memoryview) -> Answer:
        connection = self._connection
        intake = Intake(self._method.limit, 0, self._encoding())
        content = await connection.loop.run_in_executor(connection.service.unpacker, unpacked, message, intake)
        connection.take(self, len(content))
        self._due += len(content)
        outcome = self._ask(content)
        return await outcome() if callable(outcome) else outcome

    def _ask(self, message: memoryview) -> Answer | Later:
        self._asked = True
        return self._method.respond(message, self)

    def _encoding(self) -> str:
        if self.head.encoding in ("gzip", "deflate"):
            return self.head.encoding
        encoding = shown(self.head.encoding)
        raise UnsupportedEncodingError(f"grpc-encoding {encoding} is not understood; use gzip or deflate")

    def _send(self, answer: Answer) -> None:
        connection, first = self._connection, not self.started
        self.started = True
        if not self._method.streaming:
            done = connection.outbox.answer(self.stream, self.out, START, answer, GOOD_END)
        else:
            done = connection.outbox.message(self.stream, self.out, START if first else b"", answer)
        if done:
            self._went()
            return
        size = sum(map(len, answer))
        connection.hold(self, size)
        self._due += size
        self._wait()

    def _went(self) -> None:
        """All that there was to send has been sent."""
        self.deadline = NEVER
        if not self._method.streaming:
            self._connection.answered(self)
            return
        self._asked = False
        self._connection.give_back(self, self._due)
        if self._connection.leaving:
            self.leave()

    def _wait(self) -> None:
        self.deadline = self._connection.loop.time() + self._connection.limits.patience

    def _late(self) -> None:
        self._timer = None
        error = DeadlineError("the client's deadline has passed")
        if self._method.streaming and self.idle:
            self._connection.refuse(self, error)
        else:
            self.fail(error)


class Stranger(Call):
    """A request that speaks HTTP/2, but not gRPC. It is heard out, and told so."""

    __slots__ = ()

    def __init__(self, connection: Connection, stream: int, head: Head) -> None:
        super().__init__(connection, stream, head, Nothing())
        self.inbox = Bin(0)

    def end(self) -> None:
        self.ended = True
        self._connection.finish(self, NO_GRPC)
