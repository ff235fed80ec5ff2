"""Starts the bare servers of bare.py, and asks `raw` how long session.run takes."""

import contextlib
import socket
import struct
from collections.abc import Iterator

import numpy as np

from tests.bench.serving.messages import Message
from tests.bench.serving.models import Model
from tests.bench.serving.processes import Command, Contestant, program, started
from tests.bench.serving.timing import Samples
from tests.cluster.ports import free_port

SETTINGS = {
    "raw": "session.run in a process of its own, 1 thread, no spinning",
    "blocking": "one blocking socket, fixed lengths, nothing parsed; 1 thread, no spinning",
    "echo": "httptools on uvloop, one fixed answer around the output; 1 thread, no spinning",
    "still": "import, load, 200 runs; 1 thread, no spinning",
}


@contextlib.contextmanager
def serving(kind: str, model: Model, message: Message) -> Iterator[Contestant]:
    """A bare server on the server's core; it knows the lengths of `message` beforehand."""
    port = free_port()
    argv = program("tests.bench.serving.bare", kind, model.path, port, len(message.raw), message.tensor_at)
    with started(Command(f"bare-{kind}-{model.name}", argv, ready=""), port) as pid:
        yield Contestant(pid, port, SETTINGS[kind])


@contextlib.contextmanager
def raw_samples(model: Model, message: Message) -> Iterator[Samples]:
    """Times of session.run, as the process that runs it measures them."""
    with (
        serving("raw", model, message) as contestant,
        socket.create_connection(("127.0.0.1", contestant.port)) as connection,
    ):

        def samples(count: int) -> list[float]:
            connection.sendall(struct.pack("<I", count))
            received = b""
            while len(received) < count * 8:
                received += connection.recv(count * 8 - len(received))
            return [float(seconds) for seconds in np.frombuffer(received)]

        yield samples
