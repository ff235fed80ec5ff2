"""Connections of gRPC clients that break HTTP/2's rules: lying lengths, endless headers, resets, windows, padding."""

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from tests.runtime.fuzz import grpc_inputs
from tests.runtime.fuzz.mutations import bytes_changed

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RESET, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, END_HEADERS, PADDED, WITH_PRIORITY = 0x1, 0x4, 0x8, 0x20
_METHODS = ["ModelInfer", "ServerLive", "ModelReady", "ModelMetadata", "RepositoryIndex", "ModelStreamInfer", "Nothing"]
_NUMBERS = [0, 1, 2, 16383, 16384, 65535, 2**24 - 1, 2**31 - 1, 2**31, 2**32 - 1]
_HEADERS = [
    (b":method", b"GET"), (b":path", b"/"), (b":path", b""), (b":status", b"200"), (b"connection", b"close"),
    (b"content-type", b"text/html"), (b"content-type", b"application/grpc+json"), (b"te", b"gzip"), (b"Upper", b"case"),
    (b"grpc-timeout", b"1n"), (b"grpc-timeout", b"99999999999S"), (b"grpc-timeout", b"x"), (b"grpc-encoding", b"gzip"),
    (b"grpc-encoding", b"snappy"), (b"content-length", b"7"), (b"content-length", b"-1"), (b"x-bin", b"\xff\x00"),
    (b"authorization", b"Bearer x"), (b"x-long", b"v" * 5000), (b"", b"v"), (b"a b", b"v"), (b"x", b"a\r\nb: c"),
]  # fmt: skip
_INDICES = [b"\x80", b"\xff\xff\xff\xff\xff\x0f", b"\xbe", b"\x3f\xe1\xff\x03", b"\x20", b"\x0f\xff"]
"""HPACK: no such entry, an endless number, tables of other sizes."""


@dataclass(frozen=True)
class Frame:
    """One frame; `size` where its head says something else than what follows."""

    kind: int
    flags: int
    stream: int
    payload: bytes = b""
    size: int | None = None

    def raw(self) -> bytes:
        size = len(self.payload) if self.size is None else self.size
        return size.to_bytes(4, "big")[1:] + struct.pack("!BBI", self.kind, self.flags, self.stream) + self.payload


def good(random: Random) -> list[Frame]:
    """One call, whole."""
    return [Frame(SETTINGS, 0, 0), *_call(1, "ModelInfer", grpc_inputs.good(random).SerializeToString())]


def spoilt(random: Random) -> bytes:
    """All that a client sends on one connection."""
    frames = [Frame(SETTINGS, 0, 0)]
    for number in range(random.choice([1, 1, 2, 5])):
        message = grpc_inputs.spoilt(random) if random.random() < 0.3 else grpc_inputs.good(random).SerializeToString()
        frames += _call(2 * number + 1, random.choice(_METHODS[: random.choice([1, 7])]), message)
    for _ in range(random.randint(1, 3)):
        frames = random.choice(_CHANGES)(frames, random)
    raw = PREFACE + b"".join(frame.raw() for frame in frames)
    return bytes_changed(raw, random) if random.random() < 0.15 else raw


def _call(stream: int, method: str, message: bytes) -> list[Frame]:
    body = struct.pack("!BI", 0, len(message)) + message
    block = _block(_head(method))
    return [Frame(HEADERS, END_HEADERS, stream, block), Frame(DATA, END_STREAM, stream, body)]


def _head(method: str) -> list[tuple[bytes, bytes]]:
    path = b"/inference.GRPCInferenceService/" + method.encode()
    pseudo = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", b"fuzz")]
    return [*pseudo, (b"content-type", b"application/grpc"), (b"te", b"trailers")]


def _block(headers: list[tuple[bytes, bytes]]) -> bytes:
    """HPACK, literally, without its tables."""
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in headers)


def _text(text: bytes) -> bytes:
    if len(text) < 127:
        return bytes([len(text)]) + text
    rest, out = len(text) - 127, b"\x7f"
    while rest > 127:
        out += bytes([rest & 127 | 128])
        rest >>= 7
    return out + bytes([rest]) + text


def _field(frames: list[Frame], random: Random) -> list[Frame]:
    """One number in the head of one frame."""
    at = random.randrange(len(frames))
    changes: list[Callable[[Frame], Frame]] = [
        lambda frame: replace(frame, kind=random.randrange(12)),
        lambda frame: replace(frame, flags=frame.flags ^ 1 << random.randrange(8)),
        lambda frame: replace(frame, stream=random.choice([0, 1, 2, 3, 5, 2**31 - 1, 2**31 + 1])),
        lambda frame: replace(frame, size=random.choice([0, 1, 4, 5, 9, 16384, 16385, 2**24 - 1])),
        lambda frame: replace(frame, payload=bytes_changed(frame.payload, random)),
        lambda frame: replace(frame, payload=frame.payload[: random.randrange(len(frame.payload) + 1)]),
    ]
    return [*frames[:at], random.choice(changes)(frames[at]), *frames[at + 1 :]]


def _order(frames: list[Frame], random: Random) -> list[Frame]:
    """One frame lost, twice, or elsewhere."""
    at, other = random.randrange(len(frames)), random.randrange(len(frames))
    frame, rest = frames[at], frames[:at] + frames[at + 1 :]
    chance = random.random()
    if chance < 0.3 and rest:
        return rest
    if chance < 0.6:
        return [*frames[: at + 1], *[frame] * random.choice([1, 2, 200]), *frames[at + 1 :]]
    return [*rest[:other], frame, *rest[other:]]


def _stranger(frames: list[Frame], random: Random) -> list[Frame]:
    """A frame, or a flood of it, that nobody asked for."""
    number = struct.pack("!I", random.choice(_NUMBERS))
    stream = random.choice([0, 1, 3, 7, 2**31 - 1])
    frame = random.choice(
        [
            Frame(WINDOW, 0, stream, number),
            Frame(RESET, 0, stream, number),
            Frame(PING, random.choice([0, 1]), 0, random.randbytes(random.choice([8, 8, 7, 0]))),
            Frame(SETTINGS, 0, 0, struct.pack("!H", random.randrange(8)) + number),
            Frame(SETTINGS, 1, 0, random.choice([b"", number])),
            Frame(PRIORITY, 0, stream, struct.pack("!IB", stream, 0)),
            Frame(GOAWAY, 0, 0, number * 2),
            Frame(PUSH, END_HEADERS, stream, number + _block(_head("ModelInfer"))),
            Frame(CONTINUATION, random.choice([0, END_HEADERS]), stream, random.randbytes(random.randrange(40))),
            Frame(random.randrange(10, 256), random.randrange(256), stream, random.randbytes(random.randrange(40))),
        ]
    )
    at = random.randrange(len(frames) + 1)
    return [*frames[:at], *[frame] * random.choice([1, 1, 3, 300]), *frames[at:]]


def _header(frames: list[Frame], random: Random) -> list[Frame]:
    """Headers that are wrong, padded, given a priority, or in many pieces."""
    at = next((at for at, frame in enumerate(frames) if frame.kind == HEADERS), None)
    if at is None:
        return frames
    frame, chance = frames[at], random.random()
    if chance < 0.5:
        names = [*_head("ModelInfer"), *random.choices(_HEADERS, k=random.choice([1, 2, 60]))]
        if random.random() < 0.3:
            random.shuffle(names)
        return [*frames[:at], replace(frame, payload=_block(names)), *frames[at + 1 :]]
    if chance < 0.65:
        pad = random.choice([0, 3, 255])
        padded = replace(frame, flags=frame.flags | PADDED, payload=bytes([pad]) + frame.payload + b"\0" * 3)
        return [*frames[:at], padded, *frames[at + 1 :]]
    if chance < 0.8:
        return [*frames[:at], replace(frame, payload=random.choice(_INDICES) + frame.payload), *frames[at + 1 :]]
    size = random.choice([1, 7, 50])
    pieces = [frame.payload[start : start + size] for start in range(0, len(frame.payload), size)] or [b""]
    split = [Frame(CONTINUATION, 0, frame.stream, piece) for piece in pieces]
    split[0] = replace(split[0], kind=HEADERS, flags=frame.flags & ~END_HEADERS)
    end = random.choice([END_HEADERS, END_HEADERS, 0])
    split[-1] = replace(split[-1], flags=split[-1].flags | end)
    return [*frames[:at], *split, *frames[at + 1 :]]


def _message(frames: list[Frame], random: Random) -> list[Frame]:
    """What gRPC puts before a message: compressed or not, and how long."""
    at = next((at for at, frame in enumerate(frames) if frame.kind == DATA), None)
    if at is None:
        return frames
    body = frames[at].payload[5:]
    size = random.choice([len(body), 0, 1, len(body) + 1, 2**32 - 1])
    prefix = struct.pack("!BI", random.choice([0, 0, 1, 2, 255]), size)
    again = random.choice([b"", b"", prefix, struct.pack("!BI", 0, len(body)) + body])
    pieces = [replace(frames[at], payload=prefix + body + again)]
    if random.random() < 0.3:
        whole = pieces[0].payload
        pieces = [replace(frames[at], flags=0, payload=whole[start : start + 9]) for start in range(0, len(whole), 9)]
        pieces[-1] = replace(pieces[-1], flags=random.choice([0, END_STREAM]))
    return [*frames[:at], *pieces, *frames[at + 1 :]]


_CHANGES: list[Callable[[list[Frame], Random], list[Frame]]] = [
    _field, _field, _order, _stranger, _stranger, _header, _header, _message, _message,
]  # fmt: skip
