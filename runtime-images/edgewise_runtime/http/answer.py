"""What goes back to a client, and how its first lines look. Made by the applications, written by connection.py."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson

from edgewise_runtime.errors import MethodError, ServingError, UnauthorizedError
from edgewise_runtime.ports.sending import Part, send

# No Date: a device's clock may be wrong, and RFC 9110 (6.6.1) wants none then.
_STATUS = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\nServer: edgewise\r\n".encode() for status in HTTPStatus
}
_HEAD = b"%b%bContent-Length: %d\r\n\r\n"
_LAST_HEAD = b"%b%bContent-Length: %d\r\nConnection: close\r\n\r\n"
JSON = b"Content-Type: application/json\r\n"
OCTETS = b"Content-Type: application/octet-stream\r\n"
TEXT = b"Content-Type: text/plain; charset=utf-8\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(slots=True)
class Answer:
    """`parts` are sent one after the other, without being joined where they are large."""

    status: int
    fields: bytes
    """Header lines, each with its line end, but those that connection.py adds."""
    parts: Sequence[Part]
    size: int
    """Bytes of all parts."""


def json_answer(content: Any, status: int = 200, fields: bytes = JSON) -> Answer:
    return whole(orjson.dumps(content), status, fields)


def whole(body: bytes, status: int = 200, fields: bytes = TEXT) -> Answer:
    """Of one part; an empty body has no type."""
    return Answer(status, fields if body else b"", (body,) if body else (), len(body))


def error_answer(error: ServingError) -> Answer:
    """{"error": ...}, with what HTTP wants to be said along with some statuses."""
    fields = JSON
    if error.retry_after is not None:
        fields += b"Retry-After: %d\r\n" % error.retry_after
    if isinstance(error, MethodError):
        fields += b"Allow: %b\r\n" % error.allowed.encode()
    if isinstance(error, UnauthorizedError):
        fields += b"WWW-Authenticate: Bearer\r\n"
    text = str(error).encode("utf-8", "replace").decode()  # it may quote what no UTF-8 can say
    return json_answer({"error": text}, error.status, fields)


def write(transport: asyncio.WriteTransport, answer: Answer, last: bool, with_body: bool = True) -> None:
    """`last`: the connection ends with it, and the client is to take another one next time; `with_body` is False for
    HEAD."""
    head = _LAST_HEAD if last else _HEAD
    lines = head % (_STATUS[answer.status], answer.fields, answer.size)
    if with_body:
        send(transport, (lines, *answer.parts), answer.size)
    else:
        transport.write(lines)
