"""What a call asks for, seen from the call: implemented in methods.py, driven by call.py."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from edgewise_runtime.errors import ServingError
from edgewise_runtime.grpc.heads import Head
from edgewise_runtime.ports.sending import Part

Answer = Sequence[Part]
"""A message, in parts."""
Later = Callable[[], Coroutine[Any, Any, Answer]]


class Caller(Protocol):
    """Who calls, as far as a method needs to know."""

    head: Head

    @property
    def seconds(self) -> float | None:
        """Until the client gives up on this message; None: nobody knows."""

    def admit(self) -> None:
        """Counts a further message of a stream as one more request. ServingError where that is too many."""


class Method(Protocol):
    """What a call asks for."""

    @property
    def streaming(self) -> bool:
        """Whether there are many messages, each answered in turn."""

    @property
    def limit(self) -> int:
        """Bytes of a message."""

    def respond(self, message: memoryview, caller: Caller) -> Answer | Later:
        """At once where that is quick. ServingError ends the call."""

    def refused(self, error: ServingError) -> None:
        """Told of each message that is refused before `respond` is called with it."""


@dataclass(frozen=True)
class Nothing:
    """Of whoever does not speak gRPC; never asked."""

    streaming: bool = False
    limit: int = 0

    def respond(self, _message: memoryview, _caller: Caller) -> Answer:
        return ()

    def refused(self, error: ServingError) -> None:
        """Nobody counts them."""
