"""Answers as gzip or deflate for clients that ask for it. Called by inference.py.

Many HTTP libraries list gzip and deflate by default, and tensors of numbers hardly shrink: what such a client gets
compressed is JSON. Who names one coding alone (as tritonclient's response_compression_algorithm does) means it.
"""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import dataclass
from functools import partial

from edgewise_runtime.http.answer import JSON, Answer
from edgewise_runtime.http.application import Later
from edgewise_runtime.http.head import Head

_WINDOWS = {"gzip": 31, "deflate": 15}  # zlib's window sizes say which format to write; deflate means zlib's
_LEVEL = 1  # three times as quick as the default, for a few per cent more bytes
_SMALL = 1024  # bytes: below that a packet is a packet
_QUICK = 16 * 1024  # bytes, compressed in less than half a millisecond; more of them are work for a thread


@dataclass(frozen=True)
class Wish:
    """What a client would like its answers in."""

    coding: str
    alone: bool
    """It names no other coding."""

    def granted(self, answer: Answer) -> Answer | Later:
        """Packed where that helps; to be awaited where it takes a while."""
        if answer.size < _SMALL or not (self.alone or answer.fields == JSON):
            return answer
        if answer.size <= _QUICK:
            return _packed(answer, self.coding)
        return partial(asyncio.to_thread, _packed, answer, self.coding)


def wish_of(head: Head) -> Wish | None:
    """None: answers stay as they are. gzip where both are welcome."""
    codings = [item.partition(";") for item in head.headers.get("accept-encoding", "").lower().split(",")]
    welcome = [coding.strip() for coding, _, quality in codings if not _refused(quality)]
    for coding in _WINDOWS:
        if coding in welcome:
            return Wish(coding, alone=len(welcome) == 1)
    return None


def _packed(answer: Answer, coding: str) -> Answer:
    pack = zlib.compressobj(_LEVEL, wbits=_WINDOWS[coding])
    parts = [pack.compress(part) for part in answer.parts]
    body = b"".join([*parts, pack.flush()])
    fields = b"%bContent-Encoding: %b\r\nVary: Accept-Encoding\r\n" % (answer.fields, coding.encode())
    return Answer(answer.status, fields, (body,), len(body))


def _refused(quality: str) -> bool:
    """`q=0` and its longer spellings."""
    name, _, value = quality.strip().partition("=")
    return name.strip() == "q" and not value.strip().strip("0.")
