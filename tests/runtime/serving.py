"""A running server of a test: real sockets on free ports, in this process."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
from numpy.typing import NDArray

from edgewise.api.confidence import Confidence
from edgewise_runtime.engines import load
from edgewise_runtime.engines.base import EngineOptions
from edgewise_runtime.models import Models, ServedModel
from edgewise_runtime.server import Server
from edgewise_runtime.settings import Settings


@dataclass(frozen=True)
class Addresses:
    """Where a server listens: `host:port`."""

    http: str
    grpc: str
    metrics: str


@dataclass
class Device:
    """A server wherever it runs, known by its ports alone. `http` talks to the inference port: `http.get("/v2")`."""

    addresses: Addresses
    http: aiohttp.ClientSession

    @property
    def address(self) -> str:
        return self.addresses.http

    @property
    def grpc_address(self) -> str:
        return self.addresses.grpc

    async def infer(self, model: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        async with self.http.post(f"/v2/models/{model}/infer", json=body) as answer:
            return answer.status, await answer.json()

    async def metric(self, line: str) -> float:
        """The value of a sample such as `edgewise_ready` or `x_total{a="b"}`; 0 where there is none yet."""
        async with self.http.get(f"http://{self.addresses.metrics}/metrics") as answer:
            for sample in (await answer.text()).splitlines():
                if sample.startswith(line + " "):
                    return float(sample.rsplit(" ", 1)[1])
        return 0.0


@dataclass
class Running(Device):
    """One in this process."""

    server: Server
    models: Models


def served(path: Path, name: str = "", version: str = "1", confidence: Confidence | None = None) -> ServedModel:
    session = load(path, "ONNX", EngineOptions(threads=1))
    return ServedModel(name or path.stem, version, "test", session, confidence=confidence)


def numbers(name: str, array: NDArray[Any], datatype: str = "FP32") -> dict[str, Any]:
    """An input of a JSON request."""
    return {"name": name, "datatype": datatype, "shape": list(array.shape), "data": array.ravel().tolist()}


def ones(rows: int, columns: int) -> NDArray[Any]:
    return np.ones((rows, columns), np.float32)


@contextlib.asynccontextmanager
async def running(*models: ServedModel, held: Models | None = None, **settings: Any) -> AsyncIterator[Running]:
    """Serves `models` as release r1, or whatever `held` does; `settings` differ from the defaults."""
    held = Models() if held is None else held
    if models:
        held.replace({model.name: model for model in models}, "r1")
    defaults: dict[str, Any] = {"host": "127.0.0.1", "http_port": 0, "grpc_port": 0, "metrics_port": 0, "quiet": 0.0}
    server = Server(held, Settings(**(defaults | settings)))
    await server.start()
    ports = server.http_port, server.grpc_port, server.metrics_port
    addresses = Addresses(*(f"127.0.0.1:{port}" for port in ports))
    async with aiohttp.ClientSession(f"http://{addresses.http}") as http:
        try:
            yield Running(addresses, http, server, held)
        finally:
            await server.drain(5.0)
