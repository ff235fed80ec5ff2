"""Clients that people have work unchanged."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio

from tests.runtime.serving import Running, ones


def triton_input(array: Any, name: str = "x", datatype: str = "FP32") -> Any:
    tensor = triton.InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array)
    return tensor


async def test_tritonclient_works_with_its_defaults(device: Running) -> None:
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
                {"outputs": [triton.InferRequestedOutput("logits", binary_data=False)]},
                {"outputs": [triton.InferRequestedOutput("logits", binary_data=True)]},
                {"model_version": "2.1.0", "request_id": "42", "timeout": 1000, "priority": 1},
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


async def test_tritonclients_asyncio_twin_works_with_its_defaults(device: Running) -> None:
    async with triton_aio.InferenceServerClient(device.address) as client:
        assert await client.is_server_ready()
        assert (await client.get_model_metadata("linear"))["name"] == "linear"
        answer = await client.infer("linear", [triton_input(ones(3, 2))], request_compression_algorithm="gzip")
        assert answer.as_numpy("twice").tolist() == [[4, 4]] * 3
