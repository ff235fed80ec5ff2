"""What the connections of gRPC's port share beside their reception: the methods, who may call them, how it ends."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from edgewise_runtime.access.peer import Peer
from edgewise_runtime.dataplane import DataPlane
from edgewise_runtime.grpc.heads import Head
from edgewise_runtime.ports.memory import Memory
from edgewise_runtime.ports.reception import Limits, Reception
from edgewise_runtime.settings import Settings

if TYPE_CHECKING:
    from edgewise_runtime.grpc.method import Method

_METHODS = "edgewise_runtime.grpc.methods"
_PROBES = ("/ServerLive", "/ServerReady")  # they tell nothing, and nobody who asks is asked who he is


class Service(Reception):
    """Used from the event loop only."""

    def __init__(self, plane: DataPlane, settings: Settings, limits: Limits, memory: Memory) -> None:
        super().__init__(limits, memory)
        self.limit = settings.max_body
        """Bytes of a message."""
        self.methods: dict[str, Method] | None = None
        """{path: method}; None until the first call."""
        self._plane = plane
        self._settings = settings
        self._loading: asyncio.Task[dict[str, Method]] | None = None

    @property
    def draining(self) -> bool:
        """While it is, connections end with their calls: the client's next ones go to another pod."""
        return self._plane.draining

    def admit(self, head: Head, peer: Callable[[], Peer]) -> None:
        """ServingError where this client may not ask that now."""
        access = self._plane.access
        if not access.open and not head.path.endswith(_PROBES):
            access.admit(head.authorization, peer())

    async def load(self) -> dict[str, Method]:
        """The methods, with all that they need: protobuf and the protocol's messages take 12 MiB."""
        if self.methods is None:
            if self._loading is None:
                self._loading = asyncio.ensure_future(self._load())
            self.methods = await asyncio.shield(self._loading)
        return self.methods

    async def _load(self) -> dict[str, Method]:
        module = await asyncio.to_thread(importlib.import_module, _METHODS)
        methods: dict[str, Method] = module.methods_of(self._plane, self._settings)
        return methods
