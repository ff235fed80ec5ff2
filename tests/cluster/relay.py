"""Carries Ethernet frames between a TAP device and a network interface, late, and not all of them.

Run as a program of its own by `link.py`: relay.py TAP INTERFACE DELAY_SECONDS LOSS_SHARE. Only the standard library.
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

_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI = 0x0002, 0x1000
_EVERY_PROTOCOL = 0x0003
_PACKET_OUTGOING = 4
_FRAME = 65535


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


async def relay(tap: int, interface: socket.socket, delay: float, loss: float) -> None:
    """Carries frames both ways until cancelled. A frame that a device does not take is lost, as on a wire."""
    loop = asyncio.get_running_loop()

    def later(write: Callable[[bytes], object], frame: bytes) -> None:
        if random.random() >= loss:
            loop.call_later(delay, _written, write, frame)

    def from_bridge() -> None:
        with suppress(OSError):
            later(interface.send, os.read(tap, _FRAME))

    def from_node() -> None:
        with suppress(OSError):  # the wire is cut
            frame, sender = interface.recvfrom(_FRAME)
            if sender[2] != _PACKET_OUTGOING:  # what we sent ourselves comes by as well
                later(lambda late: os.write(tap, late), frame)

    loop.add_reader(tap, from_bridge)
    loop.add_reader(interface, from_node)
    await asyncio.Event().wait()


def _written(write: Callable[[bytes], object], frame: bytes) -> None:
    with suppress(OSError):
        write(frame)


if __name__ == "__main__":
    asyncio.run(relay(open_tap(sys.argv[1]), open_interface(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])))
