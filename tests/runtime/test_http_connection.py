"""What happens on one connection: in which order, for how long, and what it survives."""

from __future__ import annotations

import pytest

from tests.runtime.raw import GOOD, INFER, LIVE, chunked, connected, post
from tests.runtime.serving import Device

pytestmark = [pytest.mark.loops, pytest.mark.protocol]

REQUEST = b"POST " + INFER.encode() + b" HTTP/1.1\r\n"
HOST = b"Host: device\r\n"
CHUNKED = REQUEST + HOST + b"Transfer-Encoding: chunked\r\n"
SECRET = b"GET /v2 HTTP/1.1\r\nHost: device\r\n\r\n"  # smuggled behind the others

NOT_HTTP = {
    "a length and chunks": CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n" + SECRET,
    "chunks and a length": CHUNKED.replace(HOST, HOST + b"Content-Length: 5\r\n") + b"\r\n0\r\n\r\n" + SECRET,
    "the same length twice": REQUEST + HOST + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n" + SECRET,
    "two lengths": REQUEST + HOST + b"Content-Length: 0\r\nContent-Length: 70\r\n\r\n" + SECRET,
    "a list of lengths": REQUEST + HOST + b"Content-Length: 0, 0\r\n\r\n" + SECRET,
    "a length with a sign": REQUEST + HOST + b"Content-Length: +0\r\n\r\n" + SECRET,
    "a length beyond all numbers": REQUEST + HOST + b"Content-Length: 99999999999999999999\r\n\r\n" + SECRET,
    "a folded line": REQUEST + HOST + b"X-A: 1\r\n Content-Length: 70\r\n\r\n" + SECRET,
    "a bare line feed": REQUEST + HOST + b"X-A: 1\nContent-Length: 70\r\n\r\n" + SECRET,
    "a bare carriage return": REQUEST + HOST + b"X-A: 1\rContent-Length: 70\r\n\r\n" + SECRET,
    "line feeds only": (REQUEST + HOST + b"\r\n").replace(b"\r", b"") + SECRET,
    "a space before the colon": REQUEST + HOST + b"Content-Length : 70\r\n\r\n" + SECRET,
    "a space before the name": REQUEST + b" Host: device\r\n\r\n" + SECRET,
    "no name": REQUEST + HOST + b": 70\r\n\r\n" + SECRET,
    "a zero byte": REQUEST + HOST + b"X-A: 1\x002\r\n\r\n" + SECRET,
    "a coding that is not chunked": REQUEST + HOST + b"Transfer-Encoding: gzip\r\n\r\n" + SECRET,
    "chunked twice": REQUEST + HOST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + SECRET,
    "a coding after chunked": REQUEST + HOST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SECRET,
    "chunks in HTTP/1.0": REQUEST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SECRET,
    "two hosts": REQUEST + HOST + HOST + b"\r\n" + SECRET,
    "no host": REQUEST + b"\r\n" + SECRET,
    "HTTP/1.2": REQUEST.replace(b"1.1", b"1.2") + HOST + b"\r\n" + SECRET,
    "HTTP/0.9": b"GET /v2\r\n\r\n" + SECRET,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SECRET,
    "no method of ours": b"FROB /v2 HTTP/1.1\r\n" + HOST + b"\r\n" + SECRET,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "nothing but noise": b"\x80\xff" * 20 + b"\r\n\r\n" + SECRET,
    "an empty line too many": b"\r\n\r\n" + SECRET,
    "a chunk size that is none": CHUNKED + b"\r\nxyz\r\n" + SECRET,
    "a chunk size with a sign": CHUNKED + b"\r\n-1\r\n" + SECRET,
    "a chunk size beyond all numbers": CHUNKED + b"\r\n" + b"f" * 20 + b"\r\n" + SECRET,
    "a chunk that is longer than its size": CHUNKED + b"\r\n1\r\n{}\r\n0\r\n\r\n" + SECRET,
    "a chunk that ends with a line feed": CHUNKED + b"\r\n1\r\n{\n0\r\n\r\n" + SECRET,
    "a chunk size that ends with a line feed": CHUNKED + b"\r\n1\n{\r\n0\r\n\r\n" + SECRET,
    "trailers without end": CHUNKED + b"\r\n0\r\n" + b"X-A: 1\r\n" * 5000,
    "a trailer without end": CHUNKED + b"\r\n0\r\nX-A: " + b"1" * 200_000,
    "a chunk extension without end": CHUNKED + b"\r\n1;" + b"x" * 200_000,
}  # fmt: skip


@pytest.mark.parametrize("case", NOT_HTTP)
async def test_what_may_mean_two_things_is_refused_and_the_connection_ended(case: str, device: Device) -> None:
    async with connected(device.address) as raw:
        reply = await raw.ask(NOT_HTTP[case])
        assert (reply.status, reply.headers["connection"]) == (400, "close"), reply
        assert reply.headers["content-type"] == "application/json"
        assert isinstance(reply.json["error"], str)
        assert await raw.ended() == b""


TOO_LARGE = {
    "one field": b"X-A: " + b"a" * 20_000 + b"\r\n",
    "one field that does not end": b"X-A: " + b"a" * 70_000,
    "many fields": b"X-A: a\r\n" * 101,
}


@pytest.mark.parametrize("case", TOO_LARGE)
async def test_a_head_that_is_too_large_is_refused(case: str, device: Device) -> None:
    async with connected(device.address) as raw:
        reply = await raw.ask(REQUEST + HOST + TOO_LARGE[case] + b"\r\n")
        assert (reply.status, reply.headers["connection"]) == (431, "close")
        assert await raw.ended() == b""


async def test_a_connection_serves_one_request_after_the_other(device: Device) -> None:
    async with connected(device.address) as raw:
        for _ in range(3):
            reply = await raw.ask(post())
            assert reply.status == 200
            assert "connection" not in reply.headers


async def test_requests_sent_at_once_are_answered_in_order(device: Device) -> None:
    ids = [f"r{number}" for number in range(100)]
    bodies = [GOOD[:-1] + b', "id": "%b"}' % one.encode() for one in ids]
    async with connected(device.address) as raw:
        await raw.send(b"".join(map(post, bodies)))
        assert [(await raw.reply()).json["id"] for _ in ids] == ids


@pytest.mark.parametrize("size", [1, 7, 100])
async def test_a_request_may_come_in_pieces(size: int, device: Device) -> None:
    request = post()
    async with connected(device.address) as raw:
        for start in range(0, len(request), size):
            await raw.send(request[start : start + size])
        assert (await raw.reply()).status == 200


@pytest.mark.parametrize("chunks", [(GOOD,), (GOOD[:5], GOOD[5:]), [bytes([byte]) for byte in GOOD]])
async def test_a_body_may_come_in_chunks_and_the_connection_lives_on(chunks: tuple[bytes, ...], device: Device) -> None:
    async with connected(device.address) as raw:
        assert (await raw.ask(chunked(*chunks))).status == 200
        assert (await raw.ask(LIVE)).status == 200


async def test_chunk_extensions_and_trailers_mean_nothing(device: Device) -> None:
    body = b"%x;a=b\r\n%b\r\n0\r\nX-Checksum: 1\r\n\r\n" % (len(GOOD), GOOD)
    async with connected(device.address) as raw:
        assert (await raw.ask(CHUNKED + b"\r\n" + body)).status == 200
        assert (await raw.ask(LIVE)).status == 200


async def test_what_follows_chunks_at_once_has_to_be_sent_again(device: Device) -> None:
    async with connected(device.address) as raw:
        reply = await raw.ask(chunked(GOOD) + LIVE)
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        assert await raw.ended() == b""


async def test_chunks_of_too_much_are_refused_while_they_come(device: Device) -> None:
    async with connected(device.address) as raw:
        reply = await raw.ask(chunked(*[b" " * 10_000] * 6))
        assert reply.status == 413


async def test_a_client_that_asks_first_is_told_to_go_on(device: Device) -> None:
    async with connected(device.address) as raw:
        head, body = post(GOOD, "Expect: 100-continue").split(b"\r\n\r\n")
        assert (await raw.ask(head + b"\r\n\r\n")).status == 100
        assert (await raw.ask(body)).status == 200


EXPECTING = {
    "too much": (post(b"", "Expect: 100-continue", length=10**12), 413),
    "a path that is not there": (post(b"", "Expect: 100-continue", path="/v3", length=10), 404),
    "something else": (post(GOOD, "Expect: 200-ok"), 417),
}


@pytest.mark.parametrize("case", EXPECTING)
async def test_a_client_that_asks_first_is_refused_before_it_sends_anything(case: str, device: Device) -> None:
    request, status = EXPECTING[case]
    async with connected(device.address) as raw:
        assert (await raw.ask(request)).status == status


async def test_a_large_body_for_a_model_that_is_not_there_is_not_waited_for(device: Device) -> None:
    request = post(b"", "Inference-Header-Content-Length: 9", path="/v2/models/nope/infer", length=90_000)
    async with connected(device.address) as raw:
        assert (await raw.ask(request)).status == 404


async def test_a_refused_request_whose_body_is_here_costs_no_connection(device: Device) -> None:
    async with connected(device.address) as raw:
        for path, status in {"/v2/nothing": 404, "/v2/models/linear": 405, "/v2/models/nope/infer": 404}.items():
            assert (await raw.ask(post(path=path))).status == status
        assert (await raw.ask(post())).status == 200


async def test_the_answer_to_head_has_no_body(device: Device) -> None:
    async with connected(device.address) as raw:
        await raw.send(LIVE.replace(b"GET", b"HEAD"))
        reply = await raw.reply(with_body=False)
        assert (reply.status, reply.headers["content-length"]) == (200, "13")
        assert (await raw.ask(LIVE)).body == b'{"live":true}'


@pytest.mark.parametrize(
    "request_", [LIVE.replace(b"1.1", b"1.0"), LIVE.replace(HOST, HOST + b"Connection: close\r\n")]
)
async def test_a_client_that_wants_one_answer_gets_one(request_: bytes, device: Device) -> None:
    async with connected(device.address) as raw:
        reply = await raw.ask(request_ + LIVE)
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        assert await raw.ended() == b""


@pytest.mark.parametrize(
    "target", ["/v2/models/line%61r", "/v2/models/linear?verbose=1", "http://device/v2/models/linear"]
)
async def test_paths_are_understood_as_clients_write_them(target: str, device: Device) -> None:
    async with connected(device.address) as raw:
        reply = await raw.ask(f"GET {target} HTTP/1.1\r\nHost: device\r\n\r\n".encode())
        assert reply.json["name"] == "linear"


WISHES = {"without a body": LIVE, "with a body": post(), "with chunks": chunked(GOOD)}


@pytest.mark.parametrize("case", WISHES)
async def test_a_wish_for_another_protocol_is_ignored(case: str, device: Device) -> None:
    async with connected(device.address) as raw:
        for _ in range(2):
            wish = HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
            assert (await raw.ask(WISHES[case].replace(HOST, wish))).status == 200
