"""What a program written for KServe's clients does. Run by test_clients.py with an interpreter that has kserve.

Arguments: rest or grpc, and the address. Nothing is imported from edgewise here.
"""

import asyncio
import sys

import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, InferResponse, RESTConfig


async def rest(url: str) -> None:
    client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=30, retries=0))
    assert await client.is_server_live(url)
    assert await client.is_server_ready(url)
    assert await client.is_model_ready(url, "linear")
    for binary in (False, True):
        response = await client.infer(url, request(binary), model_name="linear")
        assert (response.model_name, response.id) == ("linear", "k1"), response
        assert logits(response) == [2.0, 2.0] * 3
    print("rest")


async def grpc(address: str) -> None:
    client = InferenceGRPCClient(address, timeout=30, retries=0)
    assert await client.is_server_live()
    assert await client.is_server_ready()
    assert await client.is_model_ready("linear")
    for binary in (False, True):
        response = await client.infer(request(binary))
        assert response.model_name == "linear"
        assert logits(response) == [2.0, 2.0] * 3
    await client.close()
    print("grpc")


def request(binary: bool) -> InferRequest:
    tensor = InferInput("x", [3, 2], "FP32")
    tensor.set_data_from_numpy(np.ones((3, 2), np.float32), binary_data=binary)
    return InferRequest(model_name="linear", infer_inputs=[tensor], request_id="k1")


def logits(response: InferResponse) -> list[float]:
    (output,) = [output for output in response.outputs if output.name == "logits"]
    values: list[float] = output.as_numpy().ravel().tolist()
    return values


if __name__ == "__main__":
    asyncio.run({"rest": rest, "grpc": grpc}[sys.argv[1]](sys.argv[2]))
