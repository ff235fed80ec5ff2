"""Starts a contestant on the core it is given, waits until it answers, and ends it."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.figures import FOLDER
from tests.cluster.process import with_parent

USABLE = sorted(os.sched_getaffinity(0))
SERVER, CLIENT = USABLE[0], USABLE[-1]
_AUTOGROUP = Path("/proc/self/autogroup")
_FIRST = "-15"
QUIET = {"ORT_DISABLE_TELEMETRY": "1"}


@dataclass(frozen=True)
class Contestant:
    """A running server, and where it listens."""

    pid: int
    port: int
    settings: str
    """What was chosen for it, for the report."""
    grpc_port: int = 0


@dataclass(frozen=True)
class Command:
    """How to start one. Its output goes to build/bench/logs/<name>.log."""

    name: str
    argv: Sequence[str]
    ready: str = "/v2/health/ready"
    """The path that answers 200 when it can be asked; empty: listening is enough."""
    environment: Mapping[str, str] = field(default_factory=dict)
    patience: float = 60.0


@contextlib.contextmanager
def started(command: Command, port: int, cores: Collection[int] = (SERVER,)) -> Iterator[int]:
    """Its process id, once it answers on `port`; ended with the block. RuntimeError with its log where it does not."""
    log = FOLDER / "logs" / f"{command.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    argv = with_parent(["taskset", "-c", ",".join(map(str, cores)), *command.argv])
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **QUIET, **command.environment},
        )
    try:
        _wait(process, command, port, log)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def prioritised() -> Iterator[None]:
    """Contestants and clients alike go before whatever else runs on the machine, where that is allowed (root).

    Linux shares out time by session first (sched(7), autogroup), so that a process' own niceness would not do."""
    try:
        _AUTOGROUP.write_text(_FIRST)
        os.nice(int(_FIRST))
    except OSError:
        yield
        return
    try:
        yield
    finally:
        _AUTOGROUP.write_text("0")


def program(module: str, *arguments: object) -> list[str]:
    """A module of this repository as a command."""
    return [sys.executable, "-m", module, *map(str, arguments)]


def answers(port: int, path: str) -> bool:
    """Whether a GET is answered with 200 just now."""
    try:
        with socket.create_connection(("127.0.0.1", port), 2.0) as connection:
            if not path:
                return True
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode())
            return connection.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def _wait(process: "subprocess.Popen[bytes]", command: Command, port: int, log: Path) -> None:
    deadline = time.monotonic() + command.patience
    while not answers(port, command.ready):
        if process.poll() is not None or time.monotonic() > deadline:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
            raise RuntimeError(f"{command.name} does not answer on port {port}; the end of {log}:\n{tail}")
        time.sleep(0.01)
