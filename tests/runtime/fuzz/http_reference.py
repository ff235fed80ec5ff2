"""A slow, strict reading of HTTP/1.1 as RFC 9112 has it, that shares nothing with the server: what was asked, if
anything was."""

import re
import zlib
from dataclasses import dataclass

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([^ ]+) HTTP/1\.[01]")
_BAD_VALUE = re.compile(rb"[\x00\r\n]")


class NotHTTPError(ValueError):
    """No server may act on this."""


class NotUnpackedError(NotHTTPError):
    """HTTP, but its body cannot be unpacked as Content-Encoding says."""


class IncompleteError(ValueError):
    """More of it has to come."""


@dataclass(frozen=True)
class Asked:
    """The first request of some bytes. Header names in lower case."""

    method: str
    path: str
    headers: dict[str, list[str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The one value; NotHTTPError where there are several."""
        values = self.headers.get(name, [])
        if len(values) > 1:
            raise NotHTTPError(f"{name} is there {len(values)} times")
        return values[0] if values else None


def read(raw: bytes) -> Asked:
    """IncompleteError, NotHTTPError, NotUnpackedError."""
    raw = raw.lstrip(b"\r\n")
    head, end, rest = raw.partition(b"\r\n\r\n")
    if not end:
        raise IncompleteError
    first, *lines = head.split(b"\r\n")
    line = _LINE.fullmatch(first)
    if line is None:
        raise NotHTTPError(f"request line {first!r}")
    headers: dict[str, list[str]] = {}
    for item in lines:
        name, colon, value = item.partition(b":")
        if not colon or not _TOKEN.fullmatch(name) or _BAD_VALUE.search(value):
            raise NotHTTPError(f"header {item!r}")
        headers.setdefault(name.lower().decode(), []).append(value.strip(b" \t").decode("latin-1"))
    asked = Asked(line[1].decode(), line[2].decode("latin-1"), headers, b"")
    return Asked(asked.method, asked.path, headers, _unpacked(asked, _body(asked, rest)))


def _body(asked: Asked, rest: bytes) -> bytes:
    coding, lengths = asked.header("transfer-encoding"), asked.headers.get("content-length", [])
    if coding is not None:
        if coding.lower() != "chunked" or lengths:
            raise NotHTTPError("a Transfer-Encoding that is not just chunked, or with a Content-Length")
        return _unchunked(rest)
    if not lengths:
        return b""
    if len(set(lengths)) > 1 or not re.fullmatch(r"[0-9]+", lengths[0]):
        raise NotHTTPError(f"Content-Length {lengths}")
    if len(rest) < int(lengths[0]):
        raise IncompleteError
    return rest[: int(lengths[0])]


def _unchunked(rest: bytes) -> bytes:
    body = b""
    while True:
        line, end, rest = rest.partition(b"\r\n")
        if not end:
            raise IncompleteError
        size = re.fullmatch(rb"([0-9a-fA-F]+)[ \t]*(;[^\r\n]*)?", line)
        if size is None:
            raise NotHTTPError(f"chunk size {line!r}")
        length = int(size[1], 16)
        if not length:
            if b"\r\n\r\n" not in b"\r\n" + rest:
                raise IncompleteError
            return body
        if len(rest) < length + 2:
            raise IncompleteError
        if rest[length : length + 2] != b"\r\n":
            raise NotHTTPError("a chunk longer than its size")
        body, rest = body + rest[:length], rest[length + 2 :]


def _unpacked(asked: Asked, body: bytes) -> bytes:
    encoding = (asked.header("content-encoding") or "identity").lower()
    try:
        if encoding == "gzip":
            return _whole(zlib.decompressobj(31), body)
        if encoding == "deflate":
            return _whole(zlib.decompressobj(15 if body[:1] and body[0] & 15 == 8 else -15), body)
    except zlib.error as error:
        raise NotUnpackedError(str(error)) from error
    if encoding != "identity":
        raise NotUnpackedError(f"Content-Encoding {encoding}")
    return body


def _whole(unpacker: "zlib._Decompress", body: bytes) -> bytes:
    data = unpacker.decompress(body)
    if not unpacker.eof or unpacker.unused_data:
        raise NotUnpackedError("the compressed data is cut off, or more follows it")
    return data
