"""Sends whole connections of HTTP/2 as bytes, and judges what comes back: no 5xx, no INTERNAL, and always an end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator

import hpack

from tests.runtime.fuzz.http2_inputs import CONTINUATION, END_HEADERS, HEADERS, PADDED

_QUIET = 0.05  # seconds without a byte after which a client has heard what it will hear
_LONGEST = 5.0  # seconds a server may take to close after its client has
_FORBIDDEN = {b"2": "UNKNOWN", b"13": "INTERNAL"}


async def complaints(port: int, inputs: Iterable[bytes], at_once: int = 32) -> list[tuple[bytes, str]]:
    """(input, what is wrong with the answer) for those where something is."""
    found: list[tuple[bytes, str]] = []
    waiting = iter(inputs)

    async def work() -> None:
        for raw in waiting:
            wrong = await _complaint(port, raw)
            if wrong:
                found.append((raw, wrong))

    await asyncio.gather(*(work() for _ in range(at_once)))
    return found


async def _complaint(port: int, raw: bytes) -> str | None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    try:
        writer.write(raw)
        with contextlib.suppress(asyncio.TimeoutError):
            while chunk := await asyncio.wait_for(reader.read(2**16), _QUIET):
                answer += chunk
        writer.write_eof()
        answer += await asyncio.wait_for(reader.read(), _LONGEST)
    except asyncio.TimeoutError:
        return f"still open {_LONGEST:g} s after its client has closed"
    except OSError:
        pass  # cut off, which is an end as well
    finally:
        writer.close()
    return _wrong_answer(answer)


def _wrong_answer(answer: bytes) -> str | None:
    try:
        for headers in _header_lists(answer):
            code, status = headers.get(b"grpc-status", b""), headers.get(b":status", b"200")
            if code in _FORBIDDEN:
                return f"{_FORBIDDEN[code]}: {headers.get(b'grpc-message', b'').decode()}"
            if not (status == b"200" or status.startswith(b"4")):
                return f":status {status.decode()}"
    except (hpack.HPACKError, ValueError) as error:
        return f"an answer that cannot be read: {error}"
    return None


def _header_lists(answer: bytes) -> Iterator[dict[bytes, bytes]]:
    """Headers and trailers, in order; the last frame may be cut off where the connection was."""
    decoder, block, at = hpack.Decoder(), b"", 0
    while at + 9 <= len(answer):
        size, kind, flags = int.from_bytes(answer[at : at + 3], "big"), answer[at + 3], answer[at + 4]
        payload, at = answer[at + 9 : at + 9 + size], at + 9 + size
        if kind not in (HEADERS, CONTINUATION) or at > len(answer):
            continue
        if flags & PADDED:
            raise ValueError("padded headers, which this server never sends")
        block += payload
        if flags & END_HEADERS:
            yield {bytes(name): bytes(value) for name, value in decoder.decode(block, raw=True)}
            block = b""
