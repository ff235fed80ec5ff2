"""The floor under every server: the same model with as little around it as Python allows, as a program of its own.

`raw`: nothing but session.run, timed here. `blocking`: one blocking socket, fixed lengths, nothing parsed. `echo`:
httptools on uvloop, one fixed answer around the output. `still`: loads, runs 200 times and sleeps, for memory. One
thread each. Imports nothing of the bench: its memory is compared.
"""

import argparse
import asyncio
import contextlib
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

RUNS = 200
"""Of `still`: ONNX Runtime takes more memory in its second run than in its first."""
Run = Callable[[memoryview], memoryview]
"""Bytes of the input to bytes of the output."""


@dataclass(frozen=True)
class Shape:
    """What a bare server knows beforehand, so that it need not parse."""

    port: int
    request_size: int
    tensor_at: int


def _session(path: str) -> Run:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (spec,), (output,) = session.get_inputs(), session.get_outputs()
    shape = [size if isinstance(size, int) else 1 for size in spec.shape]

    def run(tensor: memoryview) -> memoryview:
        array = np.frombuffer(tensor, np.float32).reshape(shape)
        (result,) = session.run([output.name], {spec.name: array})
        return result.reshape(-1).view(np.uint8).data  # type: ignore[no-any-return]

    return run


def _answer_head(size: int) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {size}\r\n\r\n".encode()


def serve_raw(run: Run, shape: Shape) -> None:
    """4 bytes: how many runs; back come their times, 8 bytes each."""
    size = shape.request_size - shape.tensor_at
    tensor = memoryview(np.random.default_rng(0).random(size // 4, dtype=np.float32).tobytes())
    for connection in _connections(shape.port):
        while asked := connection.recv(4):
            (count,) = struct.unpack("<I", asked)
            seconds = np.empty(count)
            for index in range(count):
                began = time.perf_counter()
                run(tensor)
                seconds[index] = time.perf_counter() - began
            connection.sendall(seconds.tobytes())


def serve_blocking(run: Run, shape: Shape) -> None:
    buffer = _aligned(shape.request_size, shape.tensor_at)
    head = b""
    for connection in _connections(shape.port):
        while True:
            filled = 0
            while filled < shape.request_size:
                count = connection.recv_into(buffer[filled:])
                if not count:
                    break
                filled += count
            if filled < shape.request_size:
                break
            output = run(buffer[shape.tensor_at :])
            head = head or _answer_head(output.nbytes)
            connection.sendmsg([head, output])


def _aligned(size: int, tensor_at: int) -> memoryview:
    """A buffer in which the tensor lies at a multiple of 64."""
    whole = np.zeros(size + 128, np.uint8)
    skip = -(whole.ctypes.data + tensor_at) % 64
    return whole[skip : skip + size].data


def _connections(port: int) -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection, contextlib.suppress(ConnectionError):
                yield connection


def serve_echo(run: Run, shape: Shape) -> None:
    import httptools
    import uvloop

    tensor_size = shape.request_size - shape.tensor_at

    class Echo(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport
            self.parser = httptools.HttpRequestParser(self)
            self.body: list[bytes] = []

        def data_received(self, data: bytes) -> None:
            self.parser.feed_data(data)

        def on_body(self, body: bytes) -> None:
            self.body.append(body)

        def on_message_complete(self) -> None:
            body = self.body[0] if len(self.body) == 1 else b"".join(self.body)
            self.body = []
            output = run(memoryview(body)[-tensor_size:])
            self.transport.write(_answer_head(output.nbytes) + output)

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", shape.port)
        await server.serve_forever()

    uvloop.run(serve())


def serve_still(run: Run, shape: Shape) -> None:
    tensor = memoryview(bytes(shape.request_size - shape.tensor_at))
    for _ in range(RUNS):
        run(tensor)
    for _ in _connections(shape.port):
        pass


KINDS = {"raw": serve_raw, "blocking": serve_blocking, "echo": serve_echo, "still": serve_still}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("model")
    parser.add_argument("sizes", type=int, nargs=3)
    arguments = parser.parse_args()
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    KINDS[arguments.kind](_session(arguments.model), Shape(*arguments.sizes))


if __name__ == "__main__":
    main()
