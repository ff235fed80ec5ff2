"""What other servers of this protocol were measured to get wrong. Each mistake is asked of ours, on real sockets.

Triton 2.51, MLServer 1.7.1 and KServe 0.21, as installed from their wheels in November 2026.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.runtime import tinyonnx
from tests.runtime.serving import Running, numbers, ones, running, served

SIZE = "Inference-Header-Content-Length"
GOOD = {"inputs": [numbers("x", ones(1, 2))]}


@pytest.fixture
async def device(tmp_path: Path) -> AsyncIterator[Running]:
    models = [
        served(tinyonnx.linear(tmp_path, np.eye(2))),
        served(tinyonnx.echo(tmp_path, "INT8", ["n"]), "small"),
        served(tinyonnx.echo(tmp_path, "FP32", ["n", "m"]), "echo"),
    ]
    async with running(*models, body_timeout=5.0) as device:
        yield device


@pytest.fixture(autouse=True)
async def _serves_on(device: Running) -> AsyncIterator[None]:
    """Whatever a test asked: the next client gets its answer."""
    yield
    assert (await device.infer("linear", GOOD))[0] == 200


async def sent(device: Running, raw: bytes) -> bytes:
    """All that comes back on one connection until the server closes it, within less than its patience with bodies."""
    host, port = device.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(raw)
    try:
        return await asyncio.wait_for(reader.read(), 4.0)
    finally:
        writer.close()


async def refused(device: Running, body: bytes, model: str = "linear", json_size: int | None = None) -> str:
    """What a 400 says."""
    headers = {} if json_size is None else {SIZE: str(json_size)}
    async with device.http.post(f"/v2/models/{model}/infer", data=io.BytesIO(body), headers=headers) as answer:
        said = (await answer.json())["error"]
        assert (answer.status, type(said)) == (400, str)
        return str(said)


@pytest.mark.parametrize("depth", [1_000, 100_000, 5_000_000])
@pytest.mark.parametrize("start", [b"[", b'{"a":', b'{"inputs":[{"data":['], ids=["lists", "objects", "data"])
async def test_triton_dies_of_deeply_nested_json(device: Running, start: bytes, depth: int) -> None:
    await refused(device, start * (depth // len(start)))


SHAPES = [[2**32, 2**32], [2**62, 4], [2**63 - 1, 2], [2**61, 2, 2, 2], [2**31, 2**31, 4]]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
async def test_triton_dies_of_shapes_whose_product_wraps_round(device: Running, shape: list[int]) -> None:
    tensor: dict[str, Any] = {"name": "x", "datatype": "FP32", "shape": shape}
    await refused(device, json.dumps({"inputs": [tensor | {"data": []}]}).encode(), "echo")
    tensor["parameters"] = {"binary_data_size": 0}
    head = json.dumps({"inputs": [tensor]}).encode()
    await refused(device, head, "echo", len(head))


MALFORMED = [b"", b"{", b"nonsense", b'{"inputs": [}', b"\xff\xfe", b"null", b'"x"', b'{"inputs": NaN}', b"{}" * 2]


@pytest.mark.parametrize("body", MALFORMED, ids=str)
async def test_triton_answers_500_to_malformed_json(device: Running, body: bytes) -> None:
    await refused(device, body)


@pytest.mark.parametrize("value", [300, 128, -129, 2**64, 1.5, 1e400, True, "44"])
async def test_triton_answers_44_to_an_int8_of_300(device: Running, value: Any) -> None:
    tensor = {"name": "x", "datatype": "INT8", "shape": [1], "data": [value]}
    await refused(device, json.dumps({"inputs": [tensor]}).encode(), "small")


@pytest.mark.parametrize("size", [2**40, 2**63 - 1, 10**30])
async def test_triton_waits_for_a_declared_terabyte(device: Running, size: int) -> None:
    head = f"POST /v2/models/linear/infer HTTP/1.1\r\nHost: d\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n"
    answer = await sent(device, head.encode())
    assert answer.split()[1] in (b"400", b"413")
    assert b'{"error": ' in answer or b'{"error":' in answer


SMUGGLED = b"GET /v2/models HTTP/1.1\r\nHost: d\r\n\r\n"
HIDDEN = {
    "a length and chunks": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 0\r\nContent-Length: 37\r\n\r\n",
    "two lengths in one": b"Content-Length: 0, 37\r\n\r\n",
    "a space before the colon": b"Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "a coding that is not known": b"Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "a folded header": b"Content-Length: 0\r\nX: a\r\n Content-Length: 37\r\n\r\n",
    "a bare line feed": b"Content-Length: 0\r\nX: a\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a signed length": b"Content-Length: +5\r\n\r\n0\r\n\r\n",
    "a signed chunk": b"Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("case", HIDDEN)
async def test_mlserver_answers_a_smuggled_request(device: Running, case: str) -> None:
    start = b"POST /v2/models/linear/infer HTTP/1.1\r\nHost: d\r\n"
    answer = await sent(device, start + HIDDEN[case] + SMUGGLED)
    assert answer.split()[1] == b"400"
    assert answer.count(b"HTTP/1.") == 1
    assert b'"models"' not in answer


@pytest.mark.parametrize("evil", ["r7", "a\r\nSet-Cookie: owned=1", "a\nX: 1", "\x00", "ü", "x" * 1024])
async def test_mlserver_puts_the_request_id_into_headers(device: Running, evil: str) -> None:
    async with device.http.post("/v2/models/linear/infer", json=GOOD | {"id": evil}) as answer:
        assert (answer.status, (await answer.json())["id"]) == (200, evil)
        assert not any(evil in name or evil in value for name, value in answer.headers.items())
        assert "Set-Cookie" not in answer.headers


async def test_kserve_gives_wrong_numbers_when_an_input_has_data_and_a_binary_size(device: Running) -> None:
    tensor = numbers("x", ones(1, 2)) | {"parameters": {"binary_data_size": 8}}
    head = json.dumps({"inputs": [tensor]}).encode()
    assert "both" in await refused(device, head + np.full(2, 7, np.float32).tobytes(), "linear", len(head))
