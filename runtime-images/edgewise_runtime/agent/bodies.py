"""Reads answers of servers that one does not trust with the device's memory."""

from __future__ import annotations

import aiohttp


async def read_whole(response: aiohttp.ClientResponse, most: int) -> bytes | None:
    """The body; None where it is longer than `most` bytes, of which not many more are read."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > most:
            return None
    return bytes(body)
