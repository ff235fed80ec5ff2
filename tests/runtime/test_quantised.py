"""A quantised LiteRT model on the wire: raw integers, and metadata that says what they stand for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc.aio as triton_grpc
import tritonclient.http.aio as triton_http

from edgewise.api.confidence import Confidence
from edgewise_runtime.engines import load
from edgewise_runtime.engines.base import EngineOptions
from edgewise_runtime.models import ServedModel
from tests.runtime import tinytflite
from tests.runtime.serving import Running, running

RAW = np.array([[10, 12, 14, 30]], np.int8)  # x = 0, 1, 2, 10; y = 2 x


@pytest.fixture
async def device(tmp_path: Path) -> AsyncIterator[Running]:
    session = load(tinytflite.quantized(tmp_path), "TFLite", EngineOptions("LiteRT", threads=1))
    model = ServedModel("small", "1", "int8", session, confidence=Confidence(output="y", method="SoftmaxMax"))
    async with running(model) as it:
        yield it


async def test_metadata_says_what_the_integers_stand_for(device: Running) -> None:
    async with device.http.get("/v2/models/small") as response:
        metadata = await response.json()
    assert [tensor["datatype"] for tensor in (*metadata["inputs"], *metadata["outputs"])] == ["INT8", "INT8"]
    assert metadata["properties"] == {"x.scale": "0.5", "x.zero_point": "10", "y.scale": "1.0", "y.zero_point": "0"}


async def test_a_model_without_quantised_tensors_has_no_such_properties(tmp_path: Path) -> None:
    session = load(tinytflite.sums(tmp_path), "TFLite", EngineOptions("LiteRT", threads=1))
    async with running(ServedModel("sums", "1", "fp32", session)) as device, device.http.get("/v2/models/sums") as it:
        assert "properties" not in await it.json()


async def test_triton_clients_send_and_get_the_raw_integers(device: Running) -> None:
    http = triton_http.InferenceServerClient(device.address)
    given = triton_http.InferInput("x", RAW.shape, "INT8")
    given.set_data_from_numpy(RAW)
    assert (await http.infer("small", [given])).as_numpy("y").tolist() == [[0, 2, 4, 20]]
    await http.close()
    async with triton_grpc.InferenceServerClient(device.grpc_address) as grpc:
        metadata = await grpc.get_model_metadata("small")
        assert [tensor.datatype for tensor in metadata.inputs] == ["INT8"]
        assert b"x.zero_point\x12\x0210" in metadata.SerializeToString()  # an unknown field to Triton's client, kept
        asked = triton_grpc.InferInput("x", RAW.shape, "INT8")
        asked.set_data_from_numpy(RAW)
        assert (await grpc.infer("small", [asked])).as_numpy("y").tolist() == [[0, 2, 4, 20]]


async def test_confidence_is_that_of_the_real_numbers(device: Running) -> None:
    body = {"inputs": [{"name": "x", "datatype": "INT8", "shape": [1, 4], "data": RAW.tolist()}]}
    _, answer = await device.infer("small", body)
    real = np.exp(np.array([0, 2, 4, 20.0]))
    assert answer["parameters"]["edgewise_confidence"] == pytest.approx(float(real.max() / real.sum()))
