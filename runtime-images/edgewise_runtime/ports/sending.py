"""Hands pieces of an answer to a connection: small ones joined, large ones as they lie. Used by HTTP and gRPC."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

Part = bytes | memoryview

_JOINED = 64 * 1024  # bytes up to which one copy is cheaper than a second call of the kernel


def send(transport: asyncio.WriteTransport, parts: Sequence[Part], size: int) -> None:
    """In their order. `size`: bytes of all of them, give or take a few hundred."""
    if size <= _JOINED:
        transport.write(b"".join(parts))
        return
    small: list[Part] = []
    for part in parts:
        if len(part) <= _JOINED:
            small.append(part)
            continue
        transport.write(b"".join(small))
        transport.write(part)
        small = []
    if small:
        transport.write(b"".join(small))


def end(transport: asyncio.WriteTransport) -> None:
    """Nothing more will be sent; with TLS, the client hears of that when the connection closes."""
    if transport.can_write_eof():
        with contextlib.suppress(OSError):  # the client has gone in this very moment
            transport.write_eof()
