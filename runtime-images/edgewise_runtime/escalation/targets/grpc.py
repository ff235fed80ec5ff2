"""A target over gRPC: HTTP/2 with a length before each message and a status at the end. Opened by Targets.

Not grpc.aio. It compresses on the event loop (20 ms of a fast core for a photo of 602 KB, and no request is answered
meanwhile), has a second TLS with CAs of its own, comes back from a dead server when its own timer says so rather than
when ours does, and takes 31 MiB and eight threads with its messages. h2 takes 1.6 MiB; the rest is shared with HTTP.
"""

from __future__ import annotations

import asyncio
import math
import socket
import time
from typing import Any
from urllib.parse import unquote, urlsplit

from hpack import HeaderTuple, NeverIndexedHeaderTuple

from edgewise.contract.plan import PlanTarget
from edgewise_runtime.errors import BadRequestError
from edgewise_runtime.escalation.hops import HOPS_HEADER
from edgewise_runtime.escalation.targets.compression import smaller
from edgewise_runtime.escalation.targets.http2 import Answer, BrokenConnectionError, Connection
from edgewise_runtime.escalation.targets.interface import Interface, from_message, question_about
from edgewise_runtime.escalation.targets.messages import decode_response, encode_request
from edgewise_runtime.escalation.targets.papers import Papers
from edgewise_runtime.escalation.targets.question import NoHelpError, Question, Reply
from edgewise_runtime.escalation.targets.transport import IDLE_SECONDS, MAX_REPLY, quoted, reading

_SERVICE = "/inference.GRPCInferenceService/"
_PORTS = {"grpc": 8001, "grpcs": 443}
_PREFIX = 5  # bytes before a message: whether it is compressed, and its length
_CODES = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip
_RESULTS = {
    "4": "timeout",  # DEADLINE_EXCEEDED: it was told how long we wait, and its timer may tick a moment before ours
    **dict.fromkeys(("3", "9", "11"), "rejected"),  # INVALID_ARGUMENT, FAILED_PRECONDITION, OUT_OF_RANGE
}


class GrpcTarget:
    """Keeps connections open between questions, each of which has one to itself."""

    def __init__(self, target: PlanTarget) -> None:
        self._target = target
        url = urlsplit(target.url)
        self._scheme = "https" if url.scheme == "grpcs" else "http"
        self._host, self._port = url.hostname or "", url.port or _PORTS[url.scheme]
        self._authority = url.netloc
        self._idle: list[tuple[Connection, Papers, float]] = []
        self._lookup: asyncio.Future[list[Any]] | None = None

    async def ask(self, question: Question, papers: Papers, timeout: float) -> Reply:
        """As Transport has it."""
        parts = encode_request(question.request, self._target.model or question.request.model)
        packed = await smaller(parts) if self._target.compress else None
        body = _framed(b"".join(parts) if packed is None else packed, compressed=packed is not None)
        headers = self._headers("ModelInfer", papers, timeout)
        headers.append(HeaderTuple(HOPS_HEADER.lower(), str(question.hops + 1)))
        if packed is not None:
            headers.append(HeaderTuple("grpc-encoding", "gzip"))
        answer = await self._exchange(headers, body, papers)
        with reading(len(body) + len(answer.body)):
            return Reply(decode_response(_message(answer)), len(body), len(answer.body))

    async def interface(self, model: str, papers: Papers, timeout: float) -> Interface:
        """As Transport has it."""
        body = _framed(question_about(self._target.model or model), compressed=False)
        answer = await self._exchange(self._headers("ModelMetadata", papers, timeout), body, papers)
        with reading(len(body) + len(answer.body)):
            return from_message(_message(answer))

    async def _exchange(self, headers: list[HeaderTuple], body: bytes, papers: Papers) -> Answer:
        """NoHelpError where it says anything but OK."""
        connection = self._kept(papers) or await self._connect(papers)
        try:
            answer = await connection.exchange(headers, memoryview(body), MAX_REPLY)
        except BrokenConnectionError as error:
            raise NoHelpError("unreachable", str(error), len(body)) from None
        if connection.usable:
            self._idle.append((connection, papers, time.monotonic()))
        _judge(answer, papers, len(body) + len(answer.body))
        return answer

    async def close(self) -> None:
        for connection, _, _ in self._idle:
            connection.abort()
        self._idle.clear()
        if self._lookup is not None:
            self._lookup.cancel()
        await asyncio.sleep(0)  # aborted transports close in the loop's next round

    def _kept(self, papers: Papers) -> Connection | None:
        """The connection that was used last, of those that are as good as new."""
        while self._idle:
            connection, its_papers, since = self._idle.pop()
            if connection.usable and its_papers is papers and time.monotonic() - since < IDLE_SECONDS:
                return connection
            connection.abort()
        return None

    async def _connect(self, papers: Papers) -> Connection:
        name = (papers.server_name or self._host) if papers.tls else None
        failure: OSError = ConnectionError(f"{self._host} has no address")
        for address in await self._addresses():
            try:
                _, connection = await asyncio.get_running_loop().create_connection(
                    Connection, address, self._port, ssl=papers.tls, server_hostname=name
                )
                return connection
            except OSError as error:
                failure = error
        raise failure

    async def _addresses(self) -> list[str]:
        """By one look-up for all who ask meanwhile: off the network each holds a thread for a minute, and there are
        few of them."""
        if self._lookup is None or self._lookup.done():
            loop = asyncio.get_running_loop()
            self._lookup = asyncio.ensure_future(loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM))
            self._lookup.add_done_callback(_heard)
        return [str(found[4][0]) for found in await asyncio.shield(self._lookup)]

    def _headers(self, method: str, papers: Papers, timeout: float) -> list[HeaderTuple]:
        headers = [
            HeaderTuple(":method", "POST"),
            HeaderTuple(":scheme", self._scheme),
            HeaderTuple(":path", _SERVICE + method),
            HeaderTuple(":authority", self._authority),
            HeaderTuple("te", "trailers"),
            HeaderTuple("content-type", "application/grpc"),
            HeaderTuple("grpc-timeout", f"{math.ceil(timeout * 1000)}m"),
            HeaderTuple("grpc-accept-encoding", "identity"),
        ]
        authorization = papers.credentials.header()
        if authorization:
            headers.append(NeverIndexedHeaderTuple("authorization", authorization))
        return headers


def _heard(lookup: asyncio.Future[list[Any]]) -> None:
    """Nobody may be waiting for it any more, and asyncio wants a failure to be looked at."""
    if not lookup.cancelled():
        lookup.exception()


def _framed(message: bytes, *, compressed: bool) -> bytes:
    return bytes((compressed,)) + len(message).to_bytes(_PREFIX - 1, "big") + message


def _judge(answer: Answer, papers: Papers, spent: int) -> None:
    """NoHelpError says what a bad answer says."""
    ended = answer.trailers if "grpc-status" in answer.trailers else answer.headers
    status = ended.get("grpc-status")
    if status is None:
        raise NoHelpError("refused", f"HTTP {answer.headers.get(':status')} and no gRPC: is this its gRPC port?", spent)
    if status != "0":
        said = quoted(unquote(ended.get("grpc-message", "")), papers)
        raise NoHelpError(_RESULTS.get(status, "refused"), f"gRPC {_named(status)}: {said}", spent)


def _message(answer: Answer) -> memoryview:
    """The one that a good answer has."""
    body = memoryview(answer.body)
    if len(body) < _PREFIX or len(body) != _PREFIX + int.from_bytes(body[1:_PREFIX], "big"):
        raise BadRequestError(f"{len(body)} bytes are not one message")
    if body[0]:
        raise BadRequestError("it is compressed, which was not asked for")
    return body[_PREFIX:]


def _named(status: str) -> str:
    number = int(status) if status.isascii() and status.isdigit() else -1
    return _CODES[number] if 0 <= number < len(_CODES) else status[:3]
