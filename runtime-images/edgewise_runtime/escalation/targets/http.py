"""A target over HTTP, asked as any client of the protocol would. Opened by Targets, with the first question: aiohttp
takes 15 MiB.

Redirects are never followed, and no proxy of the environment is used: a question goes to the target or nowhere.
"""

from __future__ import annotations

from io import BytesIO
from urllib.parse import quote

import aiohttp
from yarl import URL

from edgewise.contract.plan import PlanTarget
from edgewise_runtime import __version__
from edgewise_runtime.escalation.hops import HOPS_HEADER
from edgewise_runtime.escalation.targets.compression import smaller
from edgewise_runtime.escalation.targets.interface import Interface, from_json
from edgewise_runtime.escalation.targets.papers import Papers
from edgewise_runtime.escalation.targets.question import NoHelpError, Question, Reply
from edgewise_runtime.escalation.targets.transport import IDLE_SECONDS, MAX_REPLY, quoted, reading
from edgewise_runtime.protocol import rules
from edgewise_runtime.protocol.binary import HEADER
from edgewise_runtime.protocol.requests import encode_request
from edgewise_runtime.protocol.responses import decode_response

Answer = aiohttp.ClientResponse
Headers = dict[str, str]
_NAME = f"edgewise/{__version__}"
_OURS = (400, 413, 415, 422)  # the request's own fault


class HttpTarget:
    """Keeps connections open between questions."""

    def __init__(self, target: PlanTarget) -> None:
        self._target = target
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, question: Question, papers: Papers, timeout: float) -> Reply:  # noqa: ARG002
        """As Transport has it. HTTP has no word for `timeout`: a target learns of it as the connection closes."""
        body, headers = await self._encoded(question)
        answer, received = await self._exchange(self._url(question.request.model, "/infer"), headers, body, papers)
        with reading(len(body) + len(received)):
            size = answer.headers.get(HEADER)
            json_size = None if size is None else rules.header_number(size, HEADER)
            response = decode_response(memoryview(received), json_size)
        return Reply(response, len(body), len(received))

    async def interface(self, model: str, papers: Papers, timeout: float) -> Interface:  # noqa: ARG002
        """As Transport has it."""
        _, received = await self._exchange(self._url(model), {}, b"", papers)
        with reading(len(received)):
            return from_json(received)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _encoded(self, question: Question) -> tuple[bytes, Headers]:
        """Body and headers."""
        body, json_size = encode_request(question.request)
        headers = {
            HEADER: str(json_size),
            HOPS_HEADER: str(question.hops + 1),
            "Content-Type": "application/octet-stream",
        }
        packed = await smaller([body]) if self._target.compress else None
        return (body, headers) if packed is None else (packed, headers | {"Content-Encoding": "gzip"})

    async def _exchange(self, url: URL, headers: Headers, body: bytes, papers: Papers) -> tuple[Answer, bytearray]:
        """Head and body of a good answer, else NoHelpError. Without a body to send it is a GET."""
        asked = self._open().request(
            "POST" if body else "GET",
            url,
            data=BytesIO(body) if body else None,
            headers=headers | _authorization(papers),
            allow_redirects=False,
            ssl=papers.tls or True,
            server_hostname=papers.server_name or None,
        )
        try:
            async with asked as answer:
                received = await _read(answer, len(body))
        except aiohttp.ClientError as error:  # it may hold the headers that were sent: only its words go on
            spent = 0 if isinstance(error, aiohttp.ClientConnectorError) else len(body)
            raise NoHelpError("unreachable", papers.hide(_words(error)), spent) from None
        if answer.status != 200:
            raise NoHelpError(*_refusal(answer, received, papers), len(body) + len(received))
        return answer, received

    def _url(self, model: str, what: str = "") -> URL:
        """`model`: its name here."""
        there = quote(self._target.model or model, safe="")
        return URL(f"{self._target.url.rstrip('/')}/v2/models/{there}{what}", encoded=True)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_SECONDS),
                timeout=aiohttp.ClientTimeout(total=None),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                headers={"User-Agent": _NAME, "Accept-Encoding": "identity"},
                skip_auto_headers=("Accept",),  # 13 bytes that say nothing
            )
        return self._session


def _authorization(papers: Papers) -> Headers:
    value = papers.credentials.header()
    return {"Authorization": value} if value else {}


async def _read(answer: Answer, sent: int) -> bytearray:
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > MAX_REPLY:
            raise NoHelpError("invalid", f"its answer is larger than {MAX_REPLY} bytes", sent + len(body))
    return body


def _refusal(answer: Answer, body: bytearray, papers: Papers) -> tuple[str, str]:
    """(result, message)."""
    if 300 <= answer.status < 400:
        where = quoted(answer.headers.get("Location", "nowhere"), papers)
        return "refused", f"HTTP {answer.status} to {where}: no redirect is followed; give that as the target's url"
    said = quoted(body.decode(errors="replace"), papers)
    return "rejected" if answer.status in _OURS else "refused", f"HTTP {answer.status}: {said}"


def _words(error: aiohttp.ClientError) -> str:
    """What the system said, where it was the system: aiohttp puts the insides of its objects around it."""
    cause = getattr(error, "os_error", None) or getattr(error, "certificate_error", None)
    return str(cause or error) or type(error).__name__
