"""The heads of calls: HPACK blocks in, with what they say about a call; blocks out. Used by connection.py.

Clients are told to keep no table of headers. Once one has said that it keeps none, a block means the same each time:
what it says is worked out once, and remembered by its bytes, for all connections.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

from hpack import Decoder, HPACKError

from edgewise_runtime.errors import BadRequestError, ServingError
from edgewise_runtime.escalation.hops import HOPS_HEADER
from edgewise_runtime.grpc.codes import code_of
from edgewise_runtime.grpc.frames import COMPRESSION_ERROR, BrokenRulesError

MAX_BLOCK = 16 * 1024
"""Bytes of a call's head, and of what it unpacks to; a bearer token and tracing headers take 2 KiB."""
_MOST = 256
_LONGEST = 1024  # bytes of a block worth remembering
_MESSAGE = 500  # characters of an error; clients take 8 KiB of headers, and a character may become 12 bytes
_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_TIMEOUT = re.compile("([0-9]{1,8})([HMSmun])")
_PSEUDO = {":method", ":scheme", ":path", ":authority"}
_OF_HTTP1 = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"}
_NAME = re.compile("[!#$%&'*+.^_`|~0-9a-z-]+")


class MalformedError(Exception):
    """Not a request at all, by HTTP/2's rules; its stream is reset."""


@dataclass(frozen=True)
class Head:
    """What a call begins with."""

    path: str
    content_type: str = ""
    authorization: str | None = None
    timeout: str = ""
    encoding: str = ""
    hops: str = ""
    length: int | None = None
    """Bytes the client says it will send."""

    @property
    def seconds(self) -> float | None:
        """Until the client gives up; None: it does not say. BadRequestError."""
        if not self.timeout:
            return None
        match = _TIMEOUT.fullmatch(self.timeout)
        if match is None:
            raise BadRequestError(f"grpc-timeout must be digits and one of H, M, S, m, u, n, not {self.timeout[:20]!r}")
        return int(match[1]) * _UNITS[match[2]]


_known: dict[bytes, Head] = {}


class Heads:
    """Reads the blocks of one connection, in their order."""

    def __init__(self) -> None:
        self._decoder = Decoder(max_header_list_size=MAX_BLOCK)
        self._stateless = False  # the client's table has no room: a block means the same each time, and changes nothing
        self.tables = True
        """Whether the client may keep a table; no more, once it has heard of it."""

    def read(self, block: bytes) -> Head:
        """BrokenRulesError where the connection cannot go on; MalformedError where the call cannot."""
        known = _known.get(block) if self._stateless else None
        if known is not None:
            return known
        head = _head(self._fields(block))
        if self._stateless and len(block) <= _LONGEST:
            if len(_known) >= _MOST:
                _known.clear()
            _known[block] = head
        return head

    def trailers(self, block: bytes) -> bool:
        """What comes after a call means nothing here, but the table goes on. Whether it could be trailers."""
        return not any(name.startswith(":") for name, _ in self._fields(block))

    def _fields(self, block: bytes) -> list[tuple[str, str]]:
        if not self.tables and block and 0x20 < block[0] < 0x40:
            raise BrokenRulesError(COMPRESSION_ERROR, "a table of headers, of which there is to be none")
        try:
            fields = [(str(name), str(value)) for name, value in self._decoder.decode(block)]
        except (HPACKError, IndexError, ValueError) as error:
            raise BrokenRulesError(COMPRESSION_ERROR, f"headers cannot be read: {error}") from None
        self._stateless = not self._decoder.header_table_size
        return fields


def _head(fields: Iterable[tuple[str, str]]) -> Head:
    pseudo: dict[str, str] = {}
    headers: dict[str, str] = {}
    for name, value in fields:
        if name.startswith(":"):
            if headers or name in pseudo or name not in _PSEUDO:
                raise MalformedError(f"{name} is out of place")
            pseudo[name] = value
            continue
        if not _NAME.fullmatch(name) or name in _OF_HTTP1 or (name == "te" and value != "trailers"):
            raise MalformedError(f"{name} must not be sent")
        headers.setdefault(name, value)
    if pseudo.get(":method") is None or not pseudo.get(":path") or pseudo.get(":scheme") is None:
        raise MalformedError("no method, scheme or path")
    return Head(
        path=pseudo[":path"] if pseudo[":method"] == "POST" else "",
        content_type=headers.get("content-type", ""),
        authorization=headers.get("authorization"),
        timeout=headers.get("grpc-timeout", ""),
        encoding=headers.get("grpc-encoding", ""),
        hops=headers.get(HOPS_HEADER.lower(), ""),
        length=_length(headers.get("content-length")),
    )


def _length(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise MalformedError("content-length is no number")
    return int(text)


def _literal(name: str, value: str) -> bytes:
    """A header field without any table."""
    return b"\x00" + _text(name.encode()) + _text(value.encode())


def _text(data: bytes) -> bytes:
    size = len(data)
    if size < 127:
        return bytes((size,)) + data
    size -= 127
    out = bytearray(b"\x7f")
    while size > 127:
        out.append(size & 127 | 128)
        size >>= 7
    out.append(size)
    return bytes(out) + data


_STATUS_200 = b"\x88"  # of HPACK's static table
START = _STATUS_200 + _literal("content-type", "application/grpc")
"""Before an answer."""
GOOD_END = _literal("grpc-status", "0")
"""After it."""
NO_GRPC = b"\x08\x03415"
"""What speaks HTTP/2, but not gRPC: 415."""


def bad_end(error: ServingError, started: bool) -> bytes:
    """Instead of an answer, or after a part of it."""
    message = quote(str(error)[:_MESSAGE], safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~")
    fields = [_literal("grpc-status", str(code_of(error))), _literal("grpc-message", message)]
    if error.retry_after is not None:
        fields.append(_literal("grpc-retry-pushback-ms", str(error.retry_after * 1000)))
    return (b"" if started else START) + b"".join(fields)
