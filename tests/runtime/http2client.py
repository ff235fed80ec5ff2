"""An HTTP/2 client that does as it is told, frame by frame: what gRPC's own clients never do."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

from hpack import Decoder, Encoder
from tritonclient.grpc import service_pb2 as pb

from edgewise_runtime.grpc import frames as h2
from tests.runtime.grpcclient import raw
from tests.runtime.serving import Running, ones

SERVICE = "/inference.GRPCInferenceService/"
GOOD = raw(ones(1, 2)).SerializeToString()


def prefixed(message: bytes) -> bytes:
    """As gRPC sends it, not compressed."""
    return struct.pack("!BI", 0, len(message)) + message


@dataclass
class Frame:
    """What came."""

    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def code(self) -> int:
        """Of RST_STREAM, or of GOAWAY."""
        return int.from_bytes(self.payload[-4:] if self.kind == h2.RST_STREAM else self.payload[4:8], "big")


@dataclass
class Client:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    encoder: Encoder = field(default_factory=Encoder)
    decoder: Decoder = field(default_factory=Decoder)

    def send(self, *frames: bytes) -> None:
        self.writer.write(b"".join(frames))

    def head(self, method: str = "ModelInfer", **changed: Any) -> bytes:
        """A block; `changed`: fields by their names, with _ for - and for the first colon; None: left out."""
        fields: dict[str, str | None] = {":method": "POST", ":scheme": "http", ":path": SERVICE + method}
        fields |= {":authority": "test", "content-type": "application/grpc", "te": "trailers"}
        fields |= {key.replace("_", ":" if key.startswith("_") else "-", 1).replace("_", "-"): value
                   for key, value in changed.items()}  # fmt: skip
        return self.encoder.encode([(name, value) for name, value in fields.items() if value is not None])

    def call(self, stream: int, message: bytes = GOOD, method: str = "ModelInfer") -> None:
        self.send(
            h2.frame(h2.HEADERS, h2.END_HEADERS, stream, self.head(method)),
            h2.frame(h2.DATA, h2.END_STREAM, stream, prefixed(message)),
        )

    async def next(self, *kinds: int) -> Frame:
        """The next frame of one of these kinds."""
        while True:
            head = await asyncio.wait_for(self.reader.readexactly(9), 20)
            size = int.from_bytes(head[:3], "big")
            payload = await self.reader.readexactly(size)
            if head[3] in kinds:
                return Frame(head[3], head[4], int.from_bytes(head[5:], "big"), payload)

    async def status(self, stream: int) -> tuple[bytes, str]:
        """(messages, each with its prefix, and grpc-status) of a call."""
        data = b""
        while True:
            frame = await self.next(h2.DATA, h2.HEADERS, h2.RST_STREAM)
            assert frame.stream == stream
            assert frame.kind != h2.RST_STREAM, frame.code
            if frame.kind == h2.DATA:
                data += frame.payload
            else:
                fields = {str(name): str(value) for name, value in self.decoder.decode(frame.payload)}
            if frame.flags & h2.END_STREAM:
                return data, str(fields["grpc-status"])


@contextlib.asynccontextmanager
async def connected(device: Running, **changed: int) -> AsyncIterator[Client]:
    """Greeted; `changed`: settings by their names in frames.py."""
    port = int(device.grpc_address.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(h2.PREFACE + h2.settings({getattr(h2, key): value for key, value in changed.items()}))
        yield Client(reader, writer)
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def stream_answers(data: bytes) -> Iterator[pb.ModelStreamInferResponse]:
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at + 1 : at + 5], "big")
        yield pb.ModelStreamInferResponse.FromString(data[at + 5 : at + 5 + size])
        at += 5 + size
