"""One request for each model, as bytes ready to be sent: what a client costs must not be in the figures."""

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.bench.serving.models import Model

HEADER = "Inference-Header-Content-Length"


@dataclass(frozen=True)
class Message:
    """A whole HTTP request; `tensor_at` is where its tensor begins, where that is binary."""

    raw: bytes
    tensor_at: int = 0


def binary(model: Model, values: NDArray[np.generic] | None = None) -> Message:
    """The input binary, the output asked for as binary."""
    tensor = (model.sample() if values is None else values).tobytes()
    item = _described(model) | {"parameters": {"binary_data_size": len(tensor)}}
    wanted = {"name": model.output, "parameters": {"binary_data": True}}
    head = json.dumps({"id": "bench", "inputs": [item], "outputs": [wanted]}).encode()
    headers = f"{HEADER}: {len(head)}\r\nContent-Type: application/octet-stream\r\n"
    start = _start(model, headers, len(head) + len(tensor)) + head
    return Message(start + tensor, len(start))


def plain(model: Model, values: NDArray[np.generic] | None = None) -> Message:
    """All of it JSON."""
    data = (model.sample() if values is None else values).ravel().tolist()
    body = json.dumps({"id": "bench", "inputs": [_described(model) | {"data": data}]}).encode()
    return Message(_start(model, "Content-Type: application/json\r\n", len(body)) + body)


def rounds(model: Model, number: int) -> Message:
    """For the model that takes as long as its input says."""
    return plain(model, np.array([number]))


HEALTH = Message(b"GET /v2/health/live HTTP/1.1\r\nHost: bench\r\n\r\n")


def _described(model: Model) -> dict[str, object]:
    return {"name": model.input, "datatype": model.datatype, "shape": list(model.shape)}


def _start(model: Model, headers: str, size: int) -> bytes:
    line = f"POST /v2/models/{model.name}/infer HTTP/1.1\r\nHost: bench\r\n"
    return f"{line}{headers}Content-Length: {size}\r\n\r\n".encode()
