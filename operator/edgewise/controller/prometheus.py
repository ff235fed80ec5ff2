"""One question to the administrator's Prometheus, and what its answer comes to. Called by inquiries.

Its address is a setting, never part of an EdgeDeployment, and it leads nobody elsewhere: whoever may write deployments
must not choose where the operator calls.
"""

from __future__ import annotations

import asyncio
import math
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from pydantic_core import from_json

from edgewise.core.observed import Answer

TIMEOUT = 5.0
"""Seconds for one answer; Prometheus itself gives up by then, too."""
LARGEST = 1024 * 1024
"""Bytes of an answer: some thousand series, of which one counts."""
_LONGEST = 200  # characters of what others say


@dataclass(frozen=True)
class Prometheus:
    """Where it is, and who we are to it."""

    url: str
    """Without /api/v1."""
    credentials: Path | None = None
    """Folder that may have `token` and `ca.crt`."""

    @asynccontextmanager
    async def session(self) -> AsyncIterator[aiohttp.ClientSession]:
        """For some questions. Reads the files anew, as Secrets change. OSError or ValueError where they are no use."""
        authority, token = self._file("ca.crt"), self._file("token")
        trust: ssl.SSLContext | bool = ssl.create_default_context(cafile=authority) if authority else True
        headers = {"Authorization": f"Bearer {token.read_text().strip()}"} if token else {}
        timeout, connector = aiohttp.ClientTimeout(total=TIMEOUT), aiohttp.TCPConnector(ssl=trust)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout, connector=connector) as session:
            yield session

    async def ask(self, session: aiohttp.ClientSession, promql: str, at: float) -> Answer:
        """Every way to fail is an answer, too."""
        url, asked = f"{self.url.rstrip('/')}/api/v1/query", {"query": promql, "timeout": f"{TIMEOUT:.0f}s"}
        try:
            async with session.get(url, params=asked, allow_redirects=False) as response:
                return answer(response.status, await _read(response), at)
        except TimeoutError:
            return Answer(at, problem=f"{self.url} did not answer within {TIMEOUT:.0f} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(at, problem=f"{self.url} cannot be asked: {_short(error)}")

    def _file(self, name: str) -> Path | None:
        path = self.credentials / name if self.credentials is not None else None
        return path if path is not None and path.is_file() else None


def answer(status: int, body: bytes, at: float) -> Answer:
    """Of an HTTP response of /api/v1/query."""
    try:
        said = from_json(body)
        if said["status"] == "success":
            return _worst(said["data"], at)
        return Answer(at, problem=_short(said["error"]), mistaken=said["errorType"] == "bad_data")
    except (AttributeError, LookupError, TypeError, ValueError):
        return Answer(at, problem=f"status {status}, and no answer that a Prometheus would give")


def _worst(data: Mapping[str, Any], at: float) -> Answer:
    """The highest of the series that have a number."""
    kind, result = data["resultType"], data["result"]
    if kind == "scalar":
        result = [{"metric": {}, "value": result}]
    elif kind != "vector":
        return Answer(at, problem=f"it gives a {kind}; ask for one number a series, now", mistaken=True)
    found = [(float(series["value"][1]), series["metric"]) for series in result]
    numbers = [(value, metric) for value, metric in found if not math.isnan(value)]
    if not numbers:
        return Answer(at)
    value, metric = max(numbers, key=lambda one: one[0])
    return Answer(at, value, _short(", ".join(f"{key}={text}" for key, text in sorted(metric.items()))))


async def _read(response: aiohttp.ClientResponse) -> bytes:
    try:
        await response.content.readexactly(LARGEST)
    except asyncio.IncompleteReadError as whole:
        return whole.partial
    raise ValueError(f"an answer of more than {LARGEST} bytes; let the query sum up")


def _short(text: object) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
