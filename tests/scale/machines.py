"""The machines of a simulated fleet: each with an address of its own, a link that can be cut, and a character.

They outlive their pods. Devices (device.py) run on them, kubelets (kubelets.py) start those.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from edgewise.api.names import METRICS_PORT
from tests.scale.characters import HEALTHY, Character

PLAIN = {"kubernetes.io/arch": "arm64"}
RASPBERRY_PI = {**PLAIN, "edgewise.dev/device": "raspberry-pi-4"}
_OFTEN = 1.0  # seconds between two pokes that a device takes
_TAKEN, _TOO_OFTEN, _UNKNOWN = "202 Accepted", "429 Too Many Requests", "404 Not Found"


@dataclass(frozen=True)
class Served:
    """From `at` (of the loop's clock) on, requests are answered by `version`."""

    at: float
    version: str


@dataclass(frozen=True)
class Said:
    """A report that the operator took."""

    at: float
    got_plan: bool
    """The operator handed out a plan for it."""
    bad: str
    """Version that the report gives a reason to reject; empty: none."""


@dataclass
class Machine:
    """`address` is one of the loopback network: the pod's, for all of its pods."""

    name: str
    address: str
    labels: dict[str, str]
    """Of its node."""
    character: Character = HEALTHY
    served: list[Served] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    link: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while the machine can be reached, and can reach others."""
    on_poke: set[Callable[[], None]] = field(default_factory=set)
    _poked: float = float("-inf")

    @property
    def version(self) -> str:
        """Answering requests now; empty: nothing."""
        return self.served[-1].version if self.served else ""

    def serves_since(self, version: str) -> float:
        """When it last began to serve that version. ValueError where it never did."""
        return max(one.at for one in self.served if one.version == version)

    def served_ever(self, version: str) -> bool:
        return any(one.version == version for one in self.served)

    async def reached(self, patience: float) -> bool:
        """Whether a packet gets through within so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self.link.wait()
        return self.link.is_set()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection to its metrics port: POST /poke, as the runtime has it."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                if not self.link.is_set():  # what is sent into a cut is never answered
                    await self.link.wait()
                    break
                writer.write(f"HTTP/1.1 {self._rung(head)}\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()

    def _rung(self, head: bytes) -> str:
        if not head.startswith(b"POST /poke "):
            return _UNKNOWN
        now = asyncio.get_running_loop().time()
        if now - self._poked < _OFTEN:
            return _TOO_OFTEN
        self._poked = now
        for hook in self.on_poke:
            hook()
        return _TAKEN


@asynccontextmanager
async def switched_on(count: int) -> AsyncIterator[dict[str, Machine]]:
    """`count` machines by name, sim-0 and so on, all healthy and linked, on a network of 127/8 that nobody uses. Every
    second one is a Raspberry Pi, the others say no more than that they are arm64."""
    network, kinds = _free_network(), (RASPBERRY_PI, PLAIN)
    made = [Machine(f"sim-{i}", f"127.{network}.{i // 250}.{i % 250 + 1}", kinds[i % 2]) for i in range(count)]
    servers = [await asyncio.start_server(machine.answer, machine.address, METRICS_PORT) for machine in made]
    _link(made)
    try:
        yield {machine.name: machine for machine in made}
    finally:
        for server in servers:
            server.close()
        _link(made)  # else connections would wait in a cut for ever


def _link(machines: Iterable[Machine]) -> None:
    for machine in machines:
        machine.link.set()


def _free_network() -> int:
    """Second byte of an address."""
    return next(number for number in random.SystemRandom().sample(range(1, 255), 254) if _is_free(number))


def _is_free(network: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((f"127.{network}.0.1", METRICS_PORT))
        except OSError:
            return False
    return True
