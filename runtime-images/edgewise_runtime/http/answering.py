"""The half of a connection that answers: calls the application, writes, waits for slow readers, closes.

Base of connection.py's Connection, which receives.
"""

from __future__ import annotations

import asyncio
from functools import partial

from edgewise_runtime.errors import ServingError, told
from edgewise_runtime.http.answer import Answer, error_answer, write
from edgewise_runtime.http.application import Call, Later
from edgewise_runtime.http.head import Head
from edgewise_runtime.http.service import Service
from edgewise_runtime.ports.content import unpacked
from edgewise_runtime.ports.sending import end

_NEVER = float("inf")


class Answering:
    """One answer at a time."""

    __slots__ = (
        "_call", "_closing", "_head", "_held", "_last", "_loop", "_lost", "_service", "_task", "_transport",
        "_writable", "deadline",
    )  # fmt: skip

    def __init__(self, service: Service) -> None:
        self._service = service
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._head: Head
        self._call: Call
        self._task: asyncio.Task[None] | None = None  # while an answer takes a while
        self._writable = True  # False: the client has not read its last answer
        self._last = False  # the connection ends with the answer that is due
        self._closing = self._lost = False  # it is ending; it has ended
        self._held = 0  # bytes of the service's memory
        self.deadline = _NEVER

    def connection_lost(self, _error: Exception | None) -> None:
        """A client that goes away leaves no work behind."""
        self._lost = self._closing = True
        if self._task is None:
            self._release()
        else:
            self._task.add_done_callback(lambda _: self._release())  # till then a thread may read what was sent
            self._task.cancel()

    def pause_writing(self) -> None:
        """The client reads slowly: its next request waits, and its answer's bytes count as held."""
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._release()
        if not self._closing:
            self._wait(self._service.limits.keep_alive)
            self._go_on()

    @property
    def _owing(self) -> bool:
        """Whether the client has not got its last answer yet."""
        return self._task is not None or not self._writable

    def _go_on(self) -> None:
        """The answer is out."""
        raise NotImplementedError

    def _respond(self, body: memoryview) -> None:
        if self._call.intake.encoding:
            self._begin_later(partial(self._unpacked, body))
            return
        try:
            outcome = self._call.respond(body)
        except Exception as error:  # noqa: BLE001  it is the answer
            outcome = self._told(error)
        if type(outcome) is Answer:
            self._send(outcome)
        else:
            self._begin_later(outcome)  # type: ignore[arg-type]  # mypy does not narrow by type()

    def _begin_later(self, later: Later) -> None:
        self.deadline = _NEVER
        self._task = self._loop.create_task(self._await(later))

    async def _await(self, later: Later) -> None:
        try:
            answer = await later()
        except Exception as error:  # noqa: BLE001  it is the answer
            answer = self._told(error)
        self._task = None
        if not self._lost:
            self._send(answer)
            self._go_on()

    async def _unpacked(self, body: memoryview) -> Answer:
        """Unpacks the body in the thread for that, then goes on as with any other."""
        try:
            content = await self._loop.run_in_executor(self._service.unpacker, unpacked, body, self._call.intake)
            self._take(len(content))
        except ServingError as error:
            if self._call.refused is not None:
                self._call.refused(error)
            raise
        outcome = self._call.respond(content)
        return outcome if isinstance(outcome, Answer) else await outcome()

    def _told(self, error: Exception) -> Answer:
        return error_answer(told(error, f"{self._head.method} {self._head.target}"))

    def _send(self, answer: Answer) -> None:
        head, service = self._head, self._service
        last = self._last or not head.keep_alive or service.closing or service.application.draining
        write(self._transport, answer, last, with_body=head.method != "HEAD")
        self._release()
        if not self._writable:
            service.memory.hold(answer.size)
            self._held = answer.size
            self._wait(service.limits.patience)
        else:
            self._wait(service.limits.keep_alive)
        if last:
            self._close()

    def _turn_away(self, error: ServingError) -> None:
        """The last answer of a client that may still be sending."""
        self._closing = True
        self._release()
        write(self._transport, error_answer(error), last=True)
        end(self._transport)
        self._wait(self._service.limits.linger)

    def _close(self) -> None:
        """When all that was written has left."""
        self._closing = True
        self._wait(self._service.limits.patience)
        self._transport.close()

    # What it holds.

    def _wait(self, seconds: float) -> None:
        self.deadline = self._loop.time() + seconds

    def _take(self, size: int) -> None:
        self._service.memory.take(size)
        self._held += size

    def _release(self) -> None:
        if self._held:
            self._service.memory.give_back(self._held)
            self._held = 0
