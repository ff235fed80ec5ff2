"""What cannot be served gets a 4xx that says what to change, at once, and disturbs nobody."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest

from tests.runtime.raw import connected, post
from tests.runtime.serving import Device, numbers, ones
from tests.runtime.suite import LIMITS

pytestmark = pytest.mark.loops

LINEAR = "/v2/models/linear/infer"
SIZE = "Inference-Header-Content-Length"
PRIVATE = b',"parameters":{"edgewise_privacy":"Never"}}'
GOOD = json.dumps({"inputs": [numbers("x", ones(1, 2))]}).encode()
BOMB = gzip.compress(b" " * 10_000_000)

Case = tuple[str, bytes, dict[str, str], int, str]
BAD_REQUESTS: dict[str, Case] = {
    "no such model": ("/v2/models/nope/infer", GOOD, {}, 404, "no model 'nope'"),
    "no such version": ("/v2/models/linear/versions/9/infer", GOOD, {}, 404, "has version 2.1.0 here, not '9'"),
    "no such path": ("/v2/nothing", b"", {}, 404, "Not Found"),
    "a path outside the protocol": ("/", b"", {}, 404, "below /v2"),
    "POST where GET is meant": ("/v2/models/linear", b"", {}, 405, "Method Not Allowed"),
    "no body": (LINEAR, b"", {}, 400, "cannot be read"),
    "a broken body": (LINEAR, b"{", {}, 400, "cannot be read"),
    "deeply nested": (LINEAR, b"[" * 40_000, {}, 400, "nested too deeply"),
    "an unknown input": (LINEAR, GOOD.replace(b'"x"', b'"z"'), {}, 400, "no input 'z'"),
    "a header that is no number": (LINEAR, GOOD, {SIZE: "ten"}, 400, "one number"),
    "a negative header": (LINEAR, GOOD, {SIZE: "-1"}, 400, "one number"),
    "a header beyond the body": (LINEAR, GOOD, {SIZE: "5000"}, 400, "the body has"),
    "an endless header": (LINEAR, GOOD, {SIZE: "9" * 500}, 400, "one number"),
    "a JSON part said to be too large": (LINEAR, GOOD, {SIZE: "60000"}, 413, "50000 bytes"),
    "too much JSON": (LINEAR, b" " * 50_001, {}, 413, "send large tensors as binary data"),
    "too large a body": (LINEAR, b"0" * 100_001, {SIZE: "9"}, 413, "100000 bytes"),
    "a compression bomb": (LINEAR, BOMB, {"Content-Encoding": "gzip"}, 413, "50000 bytes"),
    "no gzip at all": (LINEAR, GOOD, {"Content-Encoding": "gzip"}, 400, "not what its headers say"),
    "gzip cut off": (LINEAR, gzip.compress(GOOD)[:-12], {"Content-Encoding": "gzip"}, 400, ""),
    "an unknown encoding": (LINEAR, GOOD, {"Content-Encoding": "zstd"}, 415, "use gzip or deflate"),
    "raw for two inputs": ("/v2/models/subtract/infer", b"", {SIZE: "0"}, 400, "has 2"),
    "a strange wish for privacy": (LINEAR, GOOD[:-1] + PRIVATE, {}, 400, "or never"),
    "a strange number of hops": (LINEAR, GOOD, {"Edgewise-Hops": "x"}, 400, "Edgewise-Hops"),
}  # fmt: skip


@pytest.mark.protocol
@pytest.mark.parametrize("case", BAD_REQUESTS)
async def test_a_bad_request_gets_an_error_that_says_what_is_wrong(case: str, device: Device) -> None:
    path, body, headers, status, expected = BAD_REQUESTS[case]
    async with device.http.post(path, data=body, headers=headers) as answer:
        assert answer.content_type == "application/json"
        error = (await answer.json())["error"]
        assert (answer.status, expected in error) == (status, True), error
    assert (await device.infer("linear", json.loads(GOOD)))[0] == 200


BARE = zlib.compressobj(wbits=-15)
COMPRESSED = {
    "gzip": ("gzip", gzip.compress(GOOD)),
    "deflate": ("deflate", zlib.compress(GOOD)),
    "deflate as some clients understand it": ("deflate", BARE.compress(GOOD) + BARE.flush()),
}


@pytest.mark.protocol
@pytest.mark.parametrize("case", COMPRESSED)
async def test_a_compressed_body_is_taken(case: str, device: Device) -> None:
    encoding, body = COMPRESSED[case]
    async with device.http.post(LINEAR, data=body, headers={"Content-Encoding": encoding}) as answer:
        assert answer.status == 200


@pytest.mark.protocol
async def test_a_body_that_does_not_arrive_is_given_up(device: Device) -> None:
    async with connected(device.address) as raw:
        reply = await raw.ask(post(b"{", length=1000))
        assert reply.status == 408
        assert f"did not arrive within {LIMITS['body_timeout']:g} s" in reply.json["error"]
        assert await raw.ended() == b""


@pytest.mark.protocol
@pytest.mark.parametrize("silence", [b"", b"POST /v2"], ids=["says nothing", "stops within its first line"])
async def test_a_connection_that_never_asks_anything_is_cut(silence: bytes, device: Device) -> None:
    async with connected(device.address) as raw:
        await raw.send(silence)
        assert await raw.ended() == b""
