"""The head of a request: everything before its body, read strictly. Used by connection.py and the applications.

llhttp (in httptools) judges the grammar, and refuses what smuggles requests past proxies: two lengths, obs-fold, bare
CR or LF, a space before the colon. What it lets pass although no client of ours needs it is refused here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

import httptools

from edgewise_runtime.errors import BadRequestError, ExpectationError, HeadTooLargeError, shown

MAX_HEAD = 16 * 1024
"""Bytes. Proxies add cookies and traces; 8 KiB is what most servers take."""
MAX_FIELDS = 100
END = b"\r\n\r\n"
_ONCE = ("content-length", "transfer-encoding", "content-encoding", "expect", "host", "authorization")


@dataclass(frozen=True)
class Head:
    """Names in `headers` are lower case; a field sent more than once is joined with commas."""

    method: str
    path: tuple[str, ...]
    """Segments, percent-decoded one by one: /v2/models/a%2Fb is ("v2", "models", "a/b")."""
    target: str
    """As it was sent, for messages."""
    headers: Mapping[str, str]
    length: int | None
    """Bytes of the body, 0 where there is none; None: it comes in chunks."""
    keep_alive: bool
    expects: bool
    """Whether the client waits for 100 Continue before it sends the body."""


def parse_head(raw: bytes) -> Head:
    """`raw` ends with the empty line. BadRequestError where it is not HTTP/1, or may mean two things."""
    fields = _Fields()
    parser = httptools.HttpRequestParser(fields)
    _check_size(raw)
    _feed(parser, raw)
    if not fields.complete:
        raise BadRequestError("not HTTP: the request line is missing")
    version = parser.get_http_version()
    if version not in ("1.0", "1.1"):
        raise BadRequestError(f"not HTTP: version {version} is not spoken here")
    headers = _joined(fields.items)
    chunked = "transfer-encoding" in headers
    if chunked and version == "1.0":
        raise BadRequestError("not HTTP: HTTP/1.0 has no Transfer-Encoding")
    if version == "1.1" and "host" not in headers:
        raise BadRequestError("not HTTP: HTTP/1.1 needs a Host header")
    return Head(
        method=parser.get_method().decode("ascii"),
        path=_segments(fields.url),
        target=fields.url.decode("latin-1"),
        headers=headers,
        length=None if chunked else int(headers.get("content-length", 0)),
        keep_alive=_keeps_alive(version, headers.get("connection", "").lower()),
        expects=_expects(version, headers.get("expect", "")),
    )


def check_part(raw: bytes) -> None:
    """Whether what has come of a head can still become one; errors of `parse_head`."""
    _check_size(raw)
    _feed(httptools.HttpRequestParser(_Fields()), raw)


def _check_size(raw: bytes) -> None:
    if len(raw) > MAX_HEAD:
        raise HeadTooLargeError(f"the header fields are larger than {MAX_HEAD} bytes")


class _Fields:
    """Called by httptools while it reads."""

    def __init__(self) -> None:
        self.url = b""
        self.items: list[tuple[str, str]] = []
        self.complete = False

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.items.append((name.decode("ascii").lower(), value.decode("latin-1").strip(" \t")))

    def on_headers_complete(self) -> None:
        self.complete = True


def _feed(parser: httptools.HttpRequestParser, raw: bytes) -> None:
    try:
        parser.feed_data(raw)
    except httptools.HttpParserUpgrade:
        pass  # nothing is served here that a connection could be upgraded to, so the wish is ignored
    except httptools.HttpParserError as error:
        raise BadRequestError(f"not HTTP: {error}") from None


def _joined(items: list[tuple[str, str]]) -> dict[str, str]:
    if len(items) > MAX_FIELDS:
        raise HeadTooLargeError(f"{len(items)} header fields are more than {MAX_FIELDS}")
    headers: dict[str, str] = {}
    for name, value in items:
        if name in headers and name in _ONCE:
            raise BadRequestError(f"not HTTP: {name} is sent twice")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _segments(url: bytes) -> tuple[str, ...]:
    """Without query, and of the absolute form that proxies use without scheme and host."""
    path = url.decode("latin-1").partition("?")[0]
    if not path.startswith("/"):
        path = "/" + path.partition("://")[2].partition("/")[2]
    return tuple(unquote(segment) for segment in path[1:].split("/"))


def _keeps_alive(version: str, connection: str) -> bool:
    """HTTP/1.0 would have to ask for it, and be told that it has got it; such clients are rare enough to reconnect."""
    return version == "1.1" and "close" not in {option.strip() for option in connection.split(",")}


def _expects(version: str, expect: str) -> bool:
    if expect and expect.lower() != "100-continue":
        raise ExpectationError(f"Expect: {shown(expect)} cannot be met; only 100-continue is")
    return bool(expect) and version == "1.1"
