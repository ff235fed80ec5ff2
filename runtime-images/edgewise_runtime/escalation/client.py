"""Asks one target over HTTP, as any client of the protocol would. Called by the policy, under its deadline."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgewise.contract.plan import PlanTarget
from edgewise_runtime.errors import BadRequestError
from edgewise_runtime.escalation.hops import HOPS_HEADER
from edgewise_runtime.protocol.binary import HEADER
from edgewise_runtime.protocol.messages import InferResponse
from edgewise_runtime.protocol.responses import decode_response

if TYPE_CHECKING:
    import aiohttp  # 15 MiB that a device without targets need not spend

MAX_REPLY = 64 * 2**20


class NoHelpError(Exception):
    """A target did not help. `result` is the label of the escalation counter."""

    def __init__(self, result: str, message: str) -> None:
        super().__init__(message)
        self.result = result


@dataclass(frozen=True)
class Question:
    """An encoded request on its way out."""

    model: str
    body: bytes
    json_size: int
    hops: int


@dataclass(frozen=True)
class Reply:
    """What came back, and how many bytes it took."""

    response: InferResponse
    size: int


class Client:
    """Keeps connections to targets open between questions."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, target: PlanTarget, question: Question, timeout: float) -> Reply:
        """Within `timeout` seconds, or NoHelpError says what stood against it."""
        import aiohttp

        try:
            return await asyncio.wait_for(self._post(target, question), timeout)
        except asyncio.TimeoutError:
            raise NoHelpError("timeout", f"no answer within {timeout * 1000:.0f} ms") from None
        except (aiohttp.ClientError, OSError) as error:
            raise NoHelpError("unreachable", str(error) or type(error).__name__) from error
        except (BadRequestError, ValueError) as error:
            raise NoHelpError("invalid", f"its answer cannot be read: {error}") from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _post(self, target: PlanTarget, question: Question) -> Reply:
        url = f"{target.url.rstrip('/')}/v2/models/{target.model or question.model}/infer"
        headers = {
            HEADER: str(question.json_size),
            HOPS_HEADER: str(question.hops + 1),
            "Content-Type": "application/octet-stream",
            "Accept-Encoding": "identity",
        }
        async with self._open().post(url, data=question.body, headers=headers, allow_redirects=False) as answer:
            body = await _read(answer)
            if answer.status != 200:
                raise NoHelpError("refused", f"HTTP {answer.status}: {body[:200].decode(errors='replace')}")
            json_size = answer.headers.get(HEADER)
            response = decode_response(memoryview(body), None if json_size is None else int(json_size))
            return Reply(response, len(body))

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            connector = aiohttp.TCPConnector(limit=64, keepalive_timeout=60)
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=aiohttp.ClientTimeout(total=None), trust_env=False
            )
        return self._session


async def _read(answer: aiohttp.ClientResponse) -> bytearray:
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > MAX_REPLY:
            raise NoHelpError("invalid", f"its answer is larger than {MAX_REPLY} bytes")
    return body
