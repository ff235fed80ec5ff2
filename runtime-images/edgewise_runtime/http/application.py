"""What a listener serves: heads in, calls out. Implemented by the routes of the two ports, driven by connection.py."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, Protocol

from edgewise_runtime.access.peer import Peer
from edgewise_runtime.errors import ServingError
from edgewise_runtime.http.answer import Answer
from edgewise_runtime.http.head import Head
from edgewise_runtime.ports.content import Intake

_NO_BODY = Intake()

Later = Callable[[], Coroutine[Any, Any, Answer]]


@dataclass(frozen=True)
class Call:
    """All that a head decides, worked out once: clients repeat their heads byte for byte."""

    respond: Callable[[memoryview], Answer | Later]
    """Body to answer, or to what is awaited for it. ServingError becomes an answer, too."""
    intake: Intake = _NO_BODY
    guarded: bool = False
    """Whether `admit` is asked each time, before a byte of the body is taken."""
    check: Callable[[], None] | None = None
    """ServingError where there is no need to send the body now. Asked each time."""
    refused: Callable[[ServingError], None] | None = None
    """Told of each request that is refused before `respond` is called."""
    error: ServingError | None = None
    """The head is enough to refuse it; then `respond` is never called."""

    def checked(self, length: int | None) -> Call:
        """As it is for a body of that length; None: nobody knows yet."""
        if self.error is None and length is not None and length > self.intake.limit:
            return replace(self, error=self.intake.too_large())
        return self


class Application(Protocol):
    """Used from the event loop only."""

    @property
    def draining(self) -> bool:
        """While it is, each connection ends after its answer: the client's next one goes to another pod."""

    def call(self, head: Head) -> Call:
        """What to do with a request of this head; the same for each such request."""

    def admit(self, head: Head, peer: Callable[[], Peer]) -> None:
        """ServingError where this client may not ask that now."""


def refusal(error: ServingError, guarded: bool, refused: Callable[[ServingError], None] | None = None) -> Call:
    """Of everything that has this head."""

    def respond(_body: memoryview) -> Answer:
        raise error

    return Call(respond, guarded=guarded, refused=refused, error=error)
