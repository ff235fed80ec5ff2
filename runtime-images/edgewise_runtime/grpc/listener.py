"""gRPC's port. Made by the server; costs a socket until somebody calls."""

from __future__ import annotations

from edgewise_runtime.dataplane import DataPlane
from edgewise_runtime.grpc.connection import Connection
from edgewise_runtime.grpc.service import Service
from edgewise_runtime.ports.memory import Memory
from edgewise_runtime.ports.port import Port
from edgewise_runtime.ports.reception import Limits
from edgewise_runtime.settings import Settings

_KEEP_ALIVE = 300.0  # seconds without a call; gRPC's clients keep connections for hours, and come again without a word


class GrpcListener(Port):
    """The data plane, by gRPC."""

    def __init__(self, plane: DataPlane, settings: Settings, memory: Memory) -> None:
        """`memory`: shared with HTTP."""
        limits = Limits(settings.body_timeout, keep_alive=_KEEP_ALIVE, connections=settings.max_connections)
        self._service = Service(plane, settings, limits, memory)
        super().__init__(self._service)

    @property
    def started(self) -> bool:
        """Whether somebody has called, and the protocol's messages are in memory."""
        return self._service.methods is not None

    async def load(self) -> None:
        """What the first client would otherwise wait for."""
        await self._service.load()

    def _connection(self) -> Connection:
        return Connection(self._service)
