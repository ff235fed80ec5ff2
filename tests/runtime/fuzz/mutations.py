"""Ways to spoil a request, from its JSON to its bytes. All chance comes from a Random: hypothesis can hand one in that
it knows how to shrink, and the bench one with a fixed seed."""

import copy
import gzip
import zlib
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from tests.runtime.fuzz.requests import SIZE, Request, good, written

_NASTY: list[Any] = [
    None, True, False, 0, -1, 1, 2, 127, 128, 300, -129, 65536, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64,
    -(2**63), 10**400, 0.0, -0.0, 1.5, 1e39, 1e308, 5e-324, "", "x", "y", "FP32", "BF16", "BYTES", "a" * 3000, "\ud800",
    "\x00", "💥",
    [], {}, [[]], [{}], {"name": "x"}, [2**32, 2**32], [2**62] * 4, [0], [-1, 2], [1] * 40, [1.0], [True], "NaN", "1",
]  # fmt: skip
_KEYS = [
    "inputs", "outputs", "id", "parameters", "name", "shape", "datatype", "data", "binary_data_size", "binary_data",
    "binary_data_output", "shared_memory_region", "classification", "edgewise_privacy", "timeout", "priority",
    "sequence_id", "",
]  # fmt: skip
_HEADERS: list[tuple[str, list[str]]] = [
    (
        "Content-Length",
        ["0", "-1", "5", "1099511627776", "99999999999999999999999", "+5", "0x5", "5, 5", " 5", "", "5a"],
    ),
    ("Transfer-Encoding", ["chunked", "gzip, chunked", "identity", "chunked, chunked", "xchunked", "\x0bchunked"]),
    (SIZE, ["0", "1", "-1", "10", "99999", "1e3", "", "0x10", "18446744073709551616", "٣"]),
    ("Content-Encoding", ["gzip", "deflate", "br", "identity", "gzip, gzip", "", "GZIP"]),
    ("Expect", ["100-continue", "200-ok"]),
    ("Connection", ["close", "keep-alive", "upgrade", "Content-Length"]),
    ("Upgrade", ["h2c", "websocket"]),
    ("Content-Type", ["application/json", "text/html", "multipart/form-data; boundary=x", "\xff"]),
    ("Accept-Encoding", ["gzip", "br;q=1.0", "*;q=0", "gzip;q=x"]),
    ("Host", ["", "a, b", "\t"]),
    ("Authorization", ["Bearer x", "Basic eDp4", ""]),
    ("Edgewise-Hops", ["1", "-1", "9" * 30]),
    ("X-Long", ["v" * 9000, "v" * 70000]),
    ("Bad Name", ["v"]),
    ("X-Break", ["a\r\nX-Injected: 1", "a\nb", "a\rb", "\x00"]),
]
_PATHS = [
    "/v2", "/v2/", "/v2/models", "/v2/models/echo-FP32", "/v2/models/echo-FP32/versions/1/infer", "/v2/models//infer",
    "/v2/models/echo-FP32/versions/9/infer", "/v2/models/%2e%2e/infer", "/v2/models/echo-FP32/infer?x=1#f", "*", "",
    "/v2/models/%ff/infer", "/v2/models/" + "m" * 9000 + "/infer", "http://other/v2", "/v2/health/live",
    "/v2/health/ready",
    "/v2/models/echo-FP32/config", "/v2/models/echo-FP32/stats", "/v2/repository/index", "/v2/models/echo-FP32/ready",
    "//v2", "/../v2", "/v2/models/echo-FP32/infer/", "/v2/models/echo%2DFP32/infer", "/v2/models/\x00/infer",
]  # fmt: skip
_METHODS = ["GET", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "TRACE", "CONNECT", "post", "P OST", "", "PRI", "\xff"]


def spoilt(random: Random) -> bytes:
    """The bytes of a request with something wrong with it (now and then nothing: mutations may undo each other)."""
    return random.choice(_LEVELS)(good(random), random)


def by_structure(request: Request, random: Random) -> bytes:
    """The JSON says something else; all lengths fit it."""
    document = copy.deepcopy(request.document)
    for _ in range(random.randint(1, 3)):
        document = altered(document, random)
    tail = request.tail
    if random.random() < 0.2:
        tail = bytes_changed(tail, random)
    return replace(request, document=document, tail=tail).raw()


def by_headers(request: Request, random: Random) -> bytes:
    """Good body, wrong head: lengths that lie, headers twice, other paths and methods."""
    headers = [("Content-Length", str(len(request.body)))]
    if request.binary:
        headers.append((SIZE, str(len(request.text))))
    for _ in range(random.randint(1, 2)):
        name, values = random.choice(_HEADERS)
        kept = [header for header in headers if header[0] != name or random.random() < 0.3]
        headers = [*kept, (name, random.choice(values))]
        random.shuffle(headers)
    method = random.choice(_METHODS) if random.random() < 0.1 else request.method
    path = random.choice(_PATHS) if random.random() < 0.3 else request.path
    return written(method, path, headers, request.body)


def by_encoding(request: Request, random: Random) -> bytes:
    """Compressed, or in chunks, not always well."""
    body = request.body
    headers = [(SIZE, str(len(request.text)))] if request.binary else []
    kind = random.choice(["gzip", "deflate", "bare", "plain"])
    if kind != "plain":
        bare = zlib.compressobj(wbits=-15)
        packed = {"gzip": gzip.compress, "deflate": zlib.compress, "bare": lambda b: bare.compress(b) + bare.flush()}
        body = packed[kind](body)
        headers.append(("Content-Encoding", "gzip" if kind == "gzip" else "deflate"))
        if random.random() < 0.4:
            body = bytes_changed(body, random)
    if random.random() < 0.5:
        headers.append(("Transfer-Encoding", "chunked"))
        body = _chunks(body, random)
    else:
        headers.append(("Content-Length", str(len(body))))
    return written(request.method, request.path, headers, body)


def by_bytes(request: Request, random: Random) -> bytes:
    """Anything anywhere."""
    raw = request.raw()
    for _ in range(random.randint(1, 4)):
        raw = bytes_changed(raw, random)
    return raw


def by_chance(_: Request, random: Random) -> bytes:
    """No request at all."""
    start = random.choice(
        [b"", b"GET ", b"POST /v2 HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01"]
    )
    return start + random.randbytes(random.randint(1, 200)) + random.choice([b"", b"\r\n\r\n"])


_LEVELS: list[Callable[[Request, Random], bytes]] = [
    *[by_structure] * 4,
    *[by_headers] * 3,
    *[by_encoding] * 2,
    *[by_bytes] * 3,
    by_chance,
]


def altered(node: Any, random: Random) -> Any:
    """`node` with one thing in it changed: a value, a key, a repetition, a depth."""
    if isinstance(node, dict) and node and random.random() < 0.8:
        key = random.choice(list(node))
        chance = random.random()
        if chance < 0.1:
            del node[key]
        elif chance < 0.2:
            node[random.choice(_KEYS)] = copy.deepcopy(random.choice(_NASTY))
        else:
            node[key] = altered(node[key], random)
        return node
    if isinstance(node, list) and node and random.random() < 0.8:
        at = random.randrange(len(node))
        chance = random.random()
        if chance < 0.1:
            del node[at]
        elif chance < 0.2:
            node.insert(at, copy.deepcopy(node[at]))
        else:
            node[at] = altered(node[at], random)
        return node
    return _other(node, random)


def _other(node: Any, random: Random) -> Any:
    if random.random() < 0.05:
        for _ in range(random.choice([3, 30, 120])):
            node = [node]
        return node
    if isinstance(node, int) and not isinstance(node, bool) and random.random() < 0.4:
        return node + random.choice([-1, 1, 4, -4, 2**8, 2**16, 2**32])
    return copy.deepcopy(random.choice(_NASTY))


def bytes_changed(raw: bytes, random: Random) -> bytes:
    """A few of them replaced, added, taken away or repeated, or the end cut off."""
    at = random.randrange(len(raw) + 1)
    length = random.choice([1, 1, 1, 2, 4, 16])
    chance = random.random()
    if chance < 0.3:
        return raw[:at] + random.randbytes(length) + raw[at + length :]
    if chance < 0.5:
        return raw[:at] + random.randbytes(length) + raw[at:]
    if chance < 0.7:
        return raw[:at] + raw[at + length :]
    if chance < 0.8:
        return raw[:at]
    return raw[:at] + raw[at : at + length * 4] + raw[at:]


def _chunks(body: bytes, random: Random) -> bytes:
    parts, at = [], 0
    while at < len(body):
        piece = body[at : at + random.randint(1, 100)]
        at += len(piece)
        right = f"{len(piece):x}"
        size = random.choice([right] * 40 + [f"{right};a=b", f"{len(piece) + 1:x}", "-1", "ffffffffffffffff", "g"])
        parts.append(f"{size}\r\n".encode() + piece + b"\r\n")
    end = random.choice([b"0\r\n\r\n"] * 20 + [b"", b"0\r\nTrailer: x\r\n\r\n", b"00\r\n\r\n"])
    return b"".join(parts) + end
