"""Compressed answers go to those who ask for them, and to nobody whom they would only cost time."""

from __future__ import annotations

import gzip
import json
import zlib

import numpy as np
import pytest

from edgewise_runtime.http.compression import wish_of
from edgewise_runtime.http.head import parse_head
from tests.runtime.raw import INFER, connected, post
from tests.runtime.serving import Device, numbers, ones

pytestmark = pytest.mark.protocol

ROWS = 1000
JSON = json.dumps({"inputs": [numbers("x", ones(ROWS, 2))]}).encode()
BINARY = json.dumps({"inputs": [numbers("x", ones(ROWS, 2))], "parameters": {"binary_data_output": True}}).encode()
FEW = json.dumps({"inputs": [numbers("x", ones(1, 2))]}).encode()

WISHES = {
    "gzip": ("gzip", True),
    "deflate": ("deflate", True),
    "GZIP": ("gzip", True),
    "gzip, deflate": ("gzip", False),
    "deflate, gzip;q=0.5, br": ("gzip", False),
    "gzip;q=0, deflate": ("deflate", True),
    "gzip; q=0.000": None,
    "br": None,
    "identity": None,
    "": None,
}


@pytest.mark.parametrize("header", WISHES)
def test_what_a_client_would_like(header: str) -> None:
    wish = wish_of(parse_head(f"GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {header}\r\n\r\n".encode()))
    assert (wish and (wish.coding, wish.alone)) == WISHES[header]


ANSWERS = {
    "JSON for one who means it": ("gzip", JSON, "gzip"),
    "JSON for a library that takes anything": ("gzip, deflate, br", JSON, "gzip"),
    "deflate": ("deflate", JSON, "deflate"),
    "tensors for one who means it": ("gzip", BINARY, "gzip"),
    "tensors for a library that takes anything": ("gzip, deflate, br", BINARY, None),
    "a few bytes": ("gzip", FEW, None),
    "nothing asked": ("identity", JSON, None),
}


@pytest.mark.protocol
@pytest.mark.parametrize("case", ANSWERS)
async def test_answers_are_compressed_where_that_helps(case: str, device: Device) -> None:
    header, body, coding = ANSWERS[case]
    async with connected(device.address) as raw:
        plain = await raw.ask(post(body))
        reply = await raw.ask(post(body, f"Accept-Encoding: {header}"))
    assert reply.headers.get("content-encoding") == coding
    assert unpacked(reply.body, coding) == plain.body
    assert reply.headers.get("inference-header-content-length") == plain.headers.get("inference-header-content-length")


def unpacked(body: bytes, coding: str | None) -> bytes:
    if coding is None:
        return body
    return gzip.decompress(body) if coding == "gzip" else zlib.decompress(body)


@pytest.mark.protocol
async def test_errors_stay_as_they_are(device: Device) -> None:
    async with connected(device.address) as raw:
        reply = await raw.ask(post(b"{", "Accept-Encoding: gzip", path=INFER))
    assert (reply.status, "error" in reply.json) == (400, True)


async def test_a_large_answer_is_compressed_beside_the_event_loop(device: Device) -> None:
    x = np.arange(6000, dtype=np.float32).reshape(-1, 2)
    body = json.dumps({"inputs": [numbers("x", x)]}).encode()
    async with connected(device.address) as raw:
        reply = await raw.ask(post(body, "Accept-Encoding: gzip"))
    assert len(gzip.decompress(reply.body)) > 32 * 1024
