"""/hold on the metrics port: a program at the device, such as a robot's, says that the release must not change now.

GET tells, PUT begins or renews, DELETE ends. From loopback alone: whoever could hold a device from elsewhere could keep
it on an old release. What a hold is, agent/holds.py knows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from urllib.parse import parse_qs

from edgewise_runtime.access.peer import Peer
from edgewise_runtime.errors import BadRequestError, ForbiddenError, UnavailableError
from edgewise_runtime.http.answer import Answer, whole
from edgewise_runtime.http.application import Call, Later, Respond, route_of
from edgewise_runtime.http.head import Head
from edgewise_runtime.ports.content import Intake

_WHY = Intake(limit=1024)  # bytes: a line for people
_NOBODY = b"nobody holds this device\n"


class Desk(Protocol):
    """Takes holds."""

    async def look(self) -> object | None:
        """The hold of this moment, which says in words who holds until when; None: nobody does."""

    async def put(self, seconds: float | None, why: str) -> object:
        """ValueError where it cannot be, OSError where it cannot be kept."""

    async def drop(self) -> None: ...


def admit(peer: Peer) -> None:
    """ForbiddenError to whoever is not at the device."""
    if not peer.within:
        raise ForbiddenError("only a program on the device itself may ask that, at 127.0.0.1")


def call(head: Head, desk: Desk) -> Call:
    """MethodError."""
    methods: dict[str, Respond] = {
        "GET": lambda _body: lambda: _told(desk),
        "PUT": _put(head, desk),
        "DELETE": lambda _body: lambda: _dropped(desk),
    }
    return Call(route_of(head, methods), _WHY, guarded=True)


def _put(head: Head, desk: Desk) -> Respond:
    def respond(body: memoryview) -> Later:
        why = str(body, "utf-8", "replace")
        return lambda: _held(lambda: desk.put(_seconds(head), why))

    return respond


async def _told(desk: Desk) -> Answer:
    hold = await desk.look()
    return whole(f"{hold}\n".encode()) if hold is not None else whole(_NOBODY)


async def _held(put: Callable[[], Awaitable[object]]) -> Answer:
    try:
        return whole(f"{await put()}\n".encode())
    except ValueError as error:
        raise BadRequestError(str(error)) from error
    except OSError as error:
        raise UnavailableError(f"the hold cannot be kept: {error}") from error


async def _dropped(desk: Desk) -> Answer:
    await desk.drop()
    return await _told(desk)


def _seconds(head: Head) -> float | None:
    """Of `?seconds=`; None: as long as one may."""
    asked: Any = parse_qs(head.target.partition("?")[2]).get("seconds")
    try:
        return float(asked[-1]) if asked else None
    except ValueError:
        raise BadRequestError("seconds must be a number, such as /hold?seconds=600") from None
