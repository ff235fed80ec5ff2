"""Carries Ethernet frames between a TAP device and a network interface, late, so many a second, and not all of them.

Run as a program of its own by `link.py`: relay.py TAP INTERFACE DELAY_SECONDS LOSS_SHARE BYTES_A_SECOND. Only the
standard library.
"""

import asyncio
import fcntl
import os
import random
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI = 0x0002, 0x1000
_EVERY_PROTOCOL = 0x0003
_PACKET_OUTGOING = 4
_FRAME = 65535
QUEUE_SECONDS = 0.3  # of frames that wait for a thin wire; a modem has about as much memory, and drops the rest


def open_tap(name: str) -> int:
    """A file descriptor that reads and writes the frames of a TAP device."""
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH", name.encode(), _IFF_TAP | _IFF_NO_PI))
    return tap


def open_interface(name: str) -> socket.socket:
    """A socket that reads and writes the frames of an interface."""
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_EVERY_PROTOCOL))
    raw.bind((name, 0))
    raw.setblocking(False)
    return raw


@dataclass(frozen=True)
class Wire:
    """What it does to frames, either way."""

    delay: float
    loss: float
    rate: float
    """Bytes a second; infinite: as many as come."""


class Lane:
    """One way of the wire: frames leave one after the other, in the order in which they came."""

    def __init__(self, wire: Wire, write: Callable[[bytes], object]) -> None:
        self._wire = wire
        self._write = write
        self._loop = asyncio.get_running_loop()
        self._free = 0.0

    def carry(self, frame: bytes) -> None:
        now = self._loop.time()
        begins = max(now, self._free)
        if begins - now > QUEUE_SECONDS or random.random() < self._wire.loss:
            return
        self._free = begins + len(frame) / self._wire.rate
        self._loop.call_at(self._free + self._wire.delay, _written, self._write, frame)


async def relay(tap: int, interface: socket.socket, wire: Wire) -> None:
    """Carries frames both ways until cancelled. A frame that a device does not take is lost, as on a wire."""
    loop = asyncio.get_running_loop()
    to_node, to_bridge = Lane(wire, interface.send), Lane(wire, lambda frame: os.write(tap, frame))

    def from_bridge() -> None:
        with suppress(OSError):
            to_node.carry(os.read(tap, _FRAME))

    def from_node() -> None:
        with suppress(OSError):  # the wire is cut
            frame, sender = interface.recvfrom(_FRAME)
            if sender[2] != _PACKET_OUTGOING:  # what we sent ourselves comes by as well
                to_bridge.carry(frame)

    loop.add_reader(tap, from_bridge)
    loop.add_reader(interface, from_node)
    await asyncio.Event().wait()


def _written(write: Callable[[bytes], object], frame: bytes) -> None:
    with suppress(OSError):
        write(frame)


if __name__ == "__main__":
    asyncio.run(relay(open_tap(sys.argv[1]), open_interface(sys.argv[2]), Wire(*map(float, sys.argv[3:6]))))
