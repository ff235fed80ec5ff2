"""Sends bytes as they are, and reads what comes back, on a connection for each input."""

import asyncio
import zlib
from collections.abc import Iterable

from tests.runtime.fuzz.verdict import Answer, complaint

_LONGEST = 5.0
"""Seconds: far beyond what the device grants a body. What takes longer hangs."""


class HangError(Exception):
    """Neither an answer nor the end of the connection."""


async def answer_to(port: int, raw: bytes) -> Answer | None:
    """None: the server closed the connection. HangError where nothing happens."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(raw)
        return await asyncio.wait_for(_read(reader, raw.startswith(b"HEAD ")), _LONGEST)
    except asyncio.TimeoutError:
        raise HangError from None
    except (ConnectionError, asyncio.IncompleteReadError):
        return None
    finally:
        writer.close()


async def complaints(port: int, inputs: Iterable[bytes], at_once: int = 16) -> list[tuple[bytes, str]]:
    """(input, what is wrong with its answer) for those where something is."""
    found: list[tuple[bytes, str]] = []
    waiting = iter(inputs)

    async def work() -> None:
        for raw in waiting:
            try:
                wrong = complaint(raw, await answer_to(port, raw))
            except HangError:
                wrong = f"nothing happened for {_LONGEST:g} s"
            if wrong:
                found.append((raw, wrong))

    await asyncio.gather(*(work() for _ in range(at_once)))
    return found


async def _read(reader: asyncio.StreamReader, without_body: bool) -> Answer:
    while True:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *lines = head.rstrip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        status = int(line.split()[1])
        if status >= 200:
            break
    size = 0 if without_body else int(headers.get("content-length", 0))
    return Answer(status, headers, _unpacked(await reader.readexactly(size), headers.get("content-encoding")))


def _unpacked(body: bytes, encoding: str | None) -> bytes:
    """Large answers are compressed where a request accepts it."""
    return body if encoding is None else zlib.decompress(body, 31 if encoding == "gzip" else 15)
