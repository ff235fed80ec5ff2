"""What a listener serves: heads in, calls out. Implemented by the routes of the two ports, driven by connection.py."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from edgewise_runtime.access.peer import Peer
from edgewise_runtime.errors import MethodError, ServingError, shown
from edgewise_runtime.http.answer import Answer
from edgewise_runtime.http.head import Head
from edgewise_runtime.ports.content import Intake

_NO_BODY = Intake()
IGNORED = Intake(limit=64 * 1024)
"""Of paths whose answer no body changes."""

Later = Callable[[], Coroutine[Any, Any, Answer]]
Respond = Callable[[memoryview], Answer | Later]
"""Body to answer, or to what is awaited for it."""
_Route = TypeVar("_Route")


@dataclass(frozen=True)
class Call:
    """All that a head decides, worked out once: clients repeat their heads byte for byte."""

    respond: Respond
    """ServingError becomes an answer, too."""
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


def route_of(head: Head, methods: Mapping[str, _Route]) -> _Route:
    """The one for its method, where HEAD asks for what GET does; MethodError."""
    method = "GET" if head.method == "HEAD" else head.method
    if method not in methods:
        allowed = ", ".join(methods)
        raise MethodError(f"Method Not Allowed: {shown(head.target)} takes {allowed}, not {head.method}", allowed)
    return methods[method]


def refusal(error: ServingError, guarded: bool, refused: Callable[[ServingError], None] | None = None) -> Call:
    """Of everything that has this head. It will be remembered, but not where it was raised: those frames hold the
    connection."""

    def respond(_body: memoryview) -> Answer:
        raise error

    return Call(respond, guarded=guarded, refused=refused, error=error.with_traceback(None))
