"""What the connections of an HTTP port share beside their reception: the application, and the heads known by now."""

from __future__ import annotations

from edgewise_runtime.http.application import Application, Call
from edgewise_runtime.http.head import Head
from edgewise_runtime.ports.memory import Memory
from edgewise_runtime.ports.reception import Limits, Reception

_KNOWN = 256  # heads; a device has few kinds of clients
_KNOWN_SIZE = 2048  # bytes of a head worth remembering: all of them together stay below 512 KiB


class Service(Reception):
    """Used from the event loop only."""

    def __init__(self, application: Application, limits: Limits, memory: Memory) -> None:
        super().__init__(limits, memory)
        self.application = application
        self.known: dict[bytes, tuple[Head, Call]] = {}
        """Heads that came before, byte for byte, and what to do with them."""

    def learn(self, raw: bytes, head: Head) -> tuple[Head, Call]:
        """What to do with a head that is new; remembered from now on."""
        known = head, self.application.call(head).checked(head.length)
        if len(raw) <= _KNOWN_SIZE:
            if len(self.known) >= _KNOWN:
                self.known.clear()
            self.known[raw] = known
        return known
