"""A gRPC target that says anything at all: the question ends, as no help, and nothing else is disturbed."""

from __future__ import annotations

import asyncio
import logging
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from edgewise_runtime.escalation.targets import NoHelpError, Targets
from tests.runtime.targets.asking import linear, target

QUESTION = linear(np.ones((1, 2), np.float32))
_SETTINGS = b"\0\0\0\4\0\0\0\0\0"
_HEADERS, _DATA = 1, 0
_END_HEADERS, _END_STREAM = 4, 1
_STATUS_200 = b"\x88"


@st.composite
def frames(draw: DrawFn) -> bytes:
    """Of every kind, known and not, most of them on the question's stream."""
    kind, flags = draw(st.integers(0, 12)), draw(st.sampled_from([0, 1, 4, 5, 8, 32]))
    stream = draw(st.sampled_from([1, 1, 1, 0, 2, 3]))
    payload = draw(st.binary(max_size=40))
    if kind == _HEADERS and draw(st.booleans()):
        payload, flags = _STATUS_200 + payload, flags | _END_HEADERS
    return struct.pack("!I", len(payload))[1:] + bytes((kind, flags)) + struct.pack("!I", stream) + payload


async def _answered_with(noise: bytes) -> NoHelpError | None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"x\x12\x04FP32")  # the question is there
        writer.write(noise)
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    asked = target(f"grpc://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    targets = Targets(Path("/nowhere"))
    targets.use([asked])
    try:
        await targets.ask(asked, QUESTION, 5.0)
    except NoHelpError as error:
        return error
    finally:
        await targets.close()
        server.close()
        await server.wait_closed()
    return None


@given(st.lists(frames(), max_size=6).map(b"".join) | st.binary(max_size=60))
@settings(max_examples=150)
def test_noise_is_no_help_and_no_trouble(noise: bytes) -> None:
    heard = _Heard()
    logging.getLogger("asyncio").addHandler(heard)
    try:
        error = asyncio.run(_answered_with(_SETTINGS + noise))
    finally:
        logging.getLogger("asyncio").removeHandler(heard)
    assert error is not None
    assert error.result in ("unreachable", "refused", "invalid")
    assert heard.records == []


class _Heard(logging.Handler):
    """What asyncio complains of: an error that got out of a callback."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record.getMessage())


ENDS = {
    "it has had enough": (2**31 - 1, 11, "the server ends the connection (ENHANCE_YOUR_CALM)"),
    "it has not taken the question": (0, 0, "the server ends the connection (NO_ERROR)"),
    "for a reason of its own": (2**31 - 1, 77, "the server ends the connection (error 77)"),
}


@pytest.mark.parametrize("case", ENDS)
def test_a_server_that_ends_the_connection_over_a_question_says_why(case: str) -> None:
    last, code, says = ENDS[case]
    error = asyncio.run(_answered_with(_SETTINGS + b"\0\0\x08\7\0\0\0\0\0" + struct.pack("!II", last, code)))
    assert str(error) == says


HEADERS = {
    "a name that is no text": b"\x00\x03x-\xff\x01y",
    "a value that is no text": b"\x00\x03x-y\x02\xff\xfe",
}


@pytest.mark.parametrize("case", HEADERS)
def test_headers_that_are_no_text_are_read_or_refused(case: str) -> None:
    head = _STATUS_200 + HEADERS[case] + b"\x00\x0bgrpc-status\x012"
    size = struct.pack("!I", len(head))[1:]
    noise = _SETTINGS + size + bytes((_HEADERS, _END_HEADERS | _END_STREAM)) + struct.pack("!I", 1) + head
    error = asyncio.run(_answered_with(noise))
    assert str(error).startswith("gRPC UNKNOWN" if "value" in case else "Illegal character")
