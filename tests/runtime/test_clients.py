"""Clients that people have work unchanged."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio

from edgewise_runtime.protocol.datatypes import DTYPES
from tests.runtime import tinyonnx
from tests.runtime.serving import Device, Running, ones, running, served

pytestmark = pytest.mark.loops

WEIGHTS = np.array([[2.0, -1.0], [0.0, 3.0]], np.float32)  # of the linear model in conftest.py


def triton_input(array: Any, name: str = "x", datatype: str = "FP32") -> Any:
    tensor = triton.InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array)
    return tensor


@pytest.mark.protocol
async def test_tritonclient_works_with_its_defaults(device: Device) -> None:
    def session() -> None:
        with triton.InferenceServerClient(device.address) as client:
            assert client.is_server_live()
            assert client.is_server_ready()
            assert client.is_model_ready("linear")
            assert client.is_model_ready("linear", "2.1.0")
            assert client.get_server_metadata()["name"] == "edgewise"
            assert client.get_model_metadata("linear")["inputs"][0]["name"] == "x"
            tensor = triton_input(ones(3, 2))
            for options in (
                {},
                {"request_compression_algorithm": "gzip"},
                {"request_compression_algorithm": "deflate"},
                {"response_compression_algorithm": "gzip"},
                {"response_compression_algorithm": "deflate"},
                {"outputs": [triton.InferRequestedOutput("logits", binary_data=False)]},
                {"outputs": [triton.InferRequestedOutput("logits", binary_data=True)]},
                {"model_version": "2.1.0", "request_id": "42", "timeout": 60_000_000, "priority": 1},
            ):
                answer = client.infer("linear", [tensor], **options)
                assert answer.as_numpy("logits").tolist() == [[2, 2]] * 3
            assert answer.get_response()["id"] == "42"
            texts = np.array(["ä".encode(), b"bc"], dtype=object)
            assert (
                client.infer("echo", [triton_input(texts, datatype="BYTES")]).as_numpy("y").tolist() == texts.tolist()
            )
            with pytest.raises(triton.InferenceServerException, match="no model 'nope' here"):
                client.infer("nope", [tensor])
            with pytest.raises(triton.InferenceServerException, match="takes FP32, INT32 was sent"):
                client.infer("linear", [triton_input(np.ones((1, 2), np.int32), datatype="INT32")])

    await asyncio.to_thread(session)


@pytest.mark.protocol
async def test_tritonclient_reads_large_compressed_answers(device: Device) -> None:
    rows = np.arange(20_000, dtype=np.float32).reshape(-1, 2) % 7

    def session() -> None:
        with triton.InferenceServerClient(device.address) as client:
            for coding in ("gzip", "deflate"):
                for binary in (True, False):
                    outputs = [triton.InferRequestedOutput("twice", binary_data=binary)]
                    answer = client.infer(
                        "linear", [triton_input(rows)], outputs=outputs, response_compression_algorithm=coding
                    )
                    assert np.array_equal(answer.as_numpy("twice"), rows @ WEIGHTS * 2)

    await asyncio.to_thread(session)


async def test_tritonclient_reads_documents_about_models(device: Running) -> None:
    def session() -> None:
        with triton.InferenceServerClient(device.address) as client:
            config = client.get_model_config("linear", "2.1.0")
            assert (config["name"], config["max_batch_size"]) == ("linear", 0)
            assert config["input"] == [{"name": "x", "data_type": "TYPE_FP32", "dims": [-1, 2]}]
            index = {model["name"]: model["state"] for model in client.get_model_repository_index()}
            assert index == dict.fromkeys(["echo", "linear", "picky", "subtract"], "READY")
            client.infer("linear", [triton_input(ones(3, 2))])
            (linear,) = client.get_inference_statistics("linear")["model_stats"]
            assert (linear["version"], linear["inference_count"], linear["execution_count"]) == ("2.1.0", 3, 1)
            assert linear["inference_stats"]["success"]["count"] == 1
            assert len(client.get_inference_statistics()["model_stats"]) == 4
            for refused in (client.load_model, client.unload_model):
                with pytest.raises(triton.InferenceServerException, match="by the device's plan"):
                    refused("linear")
            for question in (client.get_model_config, client.get_inference_statistics):
                with pytest.raises(triton.InferenceServerException, match="no model 'nope' here"):
                    question("nope")

    await asyncio.to_thread(session)


VALUES = {"BOOL": [True, False], "BYTES": [b"a", "ä".encode()], "BF16": [1.5, -2.0]}


@pytest.mark.parametrize("datatype", tinyonnx.ONNX_TYPES)
async def test_every_datatype_comes_back_as_it_went(datatype: str, tmp_path: Path) -> None:
    dtype = {"BYTES": np.dtype(object), "BF16": np.dtype(ml_dtypes.bfloat16)}.get(datatype) or DTYPES[datatype]
    array = np.array(VALUES.get(datatype, [1, 100]), dtype)

    def session(address: str) -> None:
        with triton.InferenceServerClient(address) as client:
            for sent, wanted in ((True, True), (True, False), (False, False)):
                if datatype in ("BF16", "FP16") and not (sent and wanted):
                    continue  # tritonclient itself has no JSON for them; see below
                tensor = triton.InferInput("x", [2], datatype)
                tensor.set_data_from_numpy(array, binary_data=sent)
                outputs = [triton.InferRequestedOutput("y", binary_data=wanted)]
                answer = client.infer("echo", [tensor], outputs=outputs)
                assert answer.get_output("y")["datatype"] == datatype
                texts = datatype == "BYTES" and not wanted
                assert answer.as_numpy("y").tolist() == [item.decode() if texts else item for item in array.tolist()]

    async with running(served(tinyonnx.echo(tmp_path, datatype, ["n"]), "echo")) as device:
        await asyncio.to_thread(session, device.address)
        data = [item.decode() for item in array] if datatype == "BYTES" else array.tolist()
        item = {"name": "x", "datatype": datatype, "shape": [2], "data": data}
        status, body = await device.infer("echo", {"inputs": [item]})
        assert (status, body["outputs"][0]["datatype"], body["outputs"][0]["data"]) == (200, datatype, data)


@pytest.mark.protocol
async def test_tritonclients_asyncio_twin_works_with_its_defaults(device: Device) -> None:
    async with triton_aio.InferenceServerClient(device.address) as client:
        assert await client.is_server_ready()
        assert (await client.get_model_metadata("linear"))["name"] == "linear"
        answer = await client.infer("linear", [triton_input(ones(3, 2))], request_compression_algorithm="gzip")
        assert answer.as_numpy("twice").tolist() == [[4, 4]] * 3
