"""A port that speaks HTTP. Made by the server, one for each."""

from __future__ import annotations

from edgewise_runtime.http.application import Application
from edgewise_runtime.http.connection import Connection
from edgewise_runtime.http.service import Service
from edgewise_runtime.ports.memory import Memory
from edgewise_runtime.ports.port import Port
from edgewise_runtime.ports.reception import Limits


class Listener(Port):
    """One application."""

    def __init__(self, application: Application, limits: Limits, memory: Memory) -> None:
        """`memory` may be shared between listeners."""
        self._service = Service(application, limits, memory)
        super().__init__(self._service)

    def _connection(self) -> Connection:
        return Connection(self._service)
