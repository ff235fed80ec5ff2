"""The protocol over gRPC, on real sockets, asked by the stubs and clients that people have."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from google.protobuf.json_format import MessageToDict
from tritonclient.grpc import service_pb2 as pb

from tests.runtime import tinyonnx
from tests.runtime.grpcclient import asking, output, raw, refusal, typed
from tests.runtime.serving import Device, ones, running, served

pytestmark = pytest.mark.loops

WIDTHS = {
    "BOOL": "?", "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "INT8": "i1", "INT16": "<i2",
    "INT32": "<i4", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip
FIELDS = {
    "BOOL": "bool_contents", "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents",
    "INT64": "int64_contents", "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents",
    "UINT64": "uint64_contents", "FP32": "fp32_contents", "FP64": "fp64_contents",
}  # fmt: skip


@pytest.fixture
async def stub(device: Device) -> AsyncIterator[Any]:
    async with asking(device) as stub:
        yield stub


@pytest.mark.protocol
async def test_health(stub: Any) -> None:
    assert (await stub.ServerLive(pb.ServerLiveRequest())).live
    assert (await stub.ServerReady(pb.ServerReadyRequest())).ready
    assert (await stub.ModelReady(pb.ModelReadyRequest(name="linear", version="2.1.0"))).ready
    code, text = await refusal(stub.ModelReady(pb.ModelReadyRequest(name="linear", version="9")))
    assert (code, text) == (grpc.StatusCode.NOT_FOUND, "linear has version 2.1.0 here, not '9'")


async def test_before_the_first_model_it_lives_but_is_not_ready() -> None:
    async with running() as device, asking(device) as stub:
        assert (await stub.ServerLive(pb.ServerLiveRequest())).live
        assert not (await stub.ServerReady(pb.ServerReadyRequest())).ready
        assert not (await stub.ModelReady(pb.ModelReadyRequest(name="linear"))).ready
        assert (await refusal(stub.ModelInfer(raw(ones(1, 2)))))[0] == grpc.StatusCode.UNAVAILABLE


@pytest.mark.protocol
async def test_documents_are_those_that_http_gives(device: Device, stub: Any) -> None:
    model = pb.ModelMetadataRequest(name="linear")
    asked = {
        "/v2": stub.ServerMetadata(pb.ServerMetadataRequest()),
        "/v2/models/linear": stub.ModelMetadata(model),
        "/v2/models/linear/config": stub.ModelConfig(pb.ModelConfigRequest(name="linear")),
        "/v2/models/linear/stats": stub.ModelStatistics(pb.ModelStatisticsRequest(name="linear")),
    }
    for path, call in asked.items():
        message = await call
        message = message.config if isinstance(message, pb.ModelConfigResponse) else message
        async with device.http.get(path) as answer:
            said = await answer.json()
        assert type(message)(**said) == message, path
    async with device.http.post("/v2/repository/index") as answer:
        index = pb.RepositoryIndexResponse(models=await answer.json())
    assert index == await stub.RepositoryIndex(pb.RepositoryIndexRequest())


@pytest.mark.protocol
async def test_an_answer_names_its_model_its_request_and_who_gave_it(stub: Any) -> None:
    answer = await stub.ModelInfer(raw(ones(3, 2), model_version="2.1.0", id="r7"))
    assert (answer.model_name, answer.model_version, answer.id) == ("linear", "2.1.0", "r7")
    assert [(tensor.name, tensor.datatype, list(tensor.shape)) for tensor in answer.outputs] == [
        ("logits", "FP32", [3, 2]),
        ("twice", "FP32", [3, 2]),
    ]
    assert output(answer, "logits").tolist() == [[2.0, 2.0]] * 3
    assert MessageToDict(answer)["parameters"] == {
        "edgewise_source": {"stringParam": "device"},
        "edgewise_confidence": {"doubleParam": pytest.approx(0.5)},
    }


@pytest.mark.protocol
async def test_only_the_outputs_that_are_asked_for_come_back(stub: Any) -> None:
    request = raw(ones(1, 2))
    request.outputs.add(name="twice")
    answer = await stub.ModelInfer(request)
    assert [tensor.name for tensor in answer.outputs] == ["twice"]
    assert output(answer, "twice").tolist() == [[4.0, 4.0]]


@pytest.mark.parametrize("datatype", WIDTHS)
async def test_every_datatype_goes_through_raw_and_typed(datatype: str, tmp_path: Path) -> None:
    values = np.array([0, 1, 1, 0, 1, 0]).astype(WIDTHS[datatype]).reshape(2, 3)
    requests = [raw(values, "echo", datatype=datatype)]
    if datatype in FIELDS:
        contents: dict[str, Any] = {FIELDS[datatype]: values.ravel().tolist()}
        requests.append(typed("echo", datatype, [2, 3], **contents))
    path = tinyonnx.echo(tmp_path, datatype, ["n", 3])
    async with running(served(path, "echo")) as device, asking(device) as stub:
        for request in requests:
            answer = await stub.ModelInfer(request)
            assert (answer.outputs[0].datatype, list(answer.outputs[0].shape)) == (datatype, [2, 3])
            assert answer.raw_output_contents[0] == values.tobytes()


@pytest.mark.protocol
async def test_texts_go_through_raw_and_typed(stub: Any) -> None:
    packed = b"\x02\0\0\0\xc3\xa4\x00\0\0\0"
    request = pb.ModelInferRequest(model_name="echo", raw_input_contents=[packed])
    request.inputs.add(name="x", datatype="BYTES", shape=[2])
    for asked in (request, typed("echo", "BYTES", [2], bytes_contents=["ä".encode(), b""])):
        assert (await stub.ModelInfer(asked)).raw_output_contents[0] == packed


@pytest.mark.protocol
async def test_a_stream_is_answered_in_order_and_survives_what_it_refuses(stub: Any) -> None:
    good = [raw(np.full((1, 2), number, np.float32), id=str(number)) for number in range(20)]
    stream = stub.ModelStreamInfer()
    for request in [*good[:10], raw(ones(1, 2), model="nope"), *good[10:]]:
        await stream.write(request)
    await stream.done_writing()
    answers = [answer async for answer in stream]
    assert answers.pop(10).error_message == "no model 'nope' here; there is echo, linear, picky, subtract"
    assert [answer.infer_response.id for answer in answers] == [str(number) for number in range(20)]
    assert [output(answer.infer_response, "logits")[0, 0] for answer in answers] == [2.0 * n for n in range(20)]


async def test_a_model_that_fails_is_internal_and_disturbs_nobody(stub: Any) -> None:
    code, text = await refusal(stub.ModelInfer(raw(np.ones(5, np.float32), model="picky")))
    assert (code, "picky failed on this request" in text) == (grpc.StatusCode.INTERNAL, True)
    await stub.ModelInfer(raw(np.ones(6, np.float32), model="picky"))


async def test_statistics_count_answers_and_failures(stub: Any) -> None:
    await stub.ModelInfer(raw(ones(3, 2)))
    await stub.ModelInfer(raw(ones(1, 2)))
    await refusal(stub.ModelInfer(raw(ones(1, 3))))
    answer = await stub.ModelStatistics(pb.ModelStatisticsRequest(name="linear"))
    [counts] = answer.model_stats
    spans = counts.inference_stats
    assert (counts.name, counts.version, counts.execution_count) == ("linear", "2.1.0", 2)
    assert (spans.success.count, spans.fail.count, spans.compute_infer.count) == (2, 1, 2)
    assert spans.success.ns > spans.compute_infer.ns > 0
    assert counts.last_inference > 1_700_000_000_000
    everything = await stub.ModelStatistics(pb.ModelStatisticsRequest())
    assert [model.name for model in everything.model_stats] == ["echo", "linear", "picky", "subtract"]


async def test_tritonclient_works_with_its_defaults(device: Device) -> None:
    def session() -> None:
        with triton.InferenceServerClient(device.grpc_address) as client:
            assert client.is_server_live()
            assert client.is_server_ready()
            assert client.is_model_ready("linear", "2.1.0")
            assert client.get_server_metadata(as_json=True)["name"] == "edgewise"
            assert client.get_model_metadata("linear").inputs[0].name == "x"
            assert client.get_model_config("linear").config.input[0].dims == [-1, 2]
            assert client.get_model_repository_index(as_json=True)["models"][1]["name"] == "linear"
            assert client.get_inference_statistics("linear").model_stats[0].version == "2.1.0"
            tensor = triton.InferInput("x", [3, 2], "FP32")
            tensor.set_data_from_numpy(ones(3, 2))
            for options in (
                {},
                {"compression_algorithm": "gzip"},
                {"compression_algorithm": "deflate"},
                {"outputs": [triton.InferRequestedOutput("logits")]},
                {"request_id": "42", "timeout": 10_000_000, "priority": 1, "client_timeout": 10.0},
            ):
                answer = client.infer("linear", [tensor], **options)
                assert answer.as_numpy("logits").tolist() == [[2, 2]] * 3
            assert answer.get_response().id == "42"
            with pytest.raises(triton.InferenceServerException, match="no model 'nope' here"):
                client.infer("nope", [tensor])
            with pytest.raises(triton.InferenceServerException, match="a plan, or the command line, says"):
                client.load_model("linear")

    await asyncio.to_thread(session)


async def test_tritonclient_streams_with_its_defaults(device: Device) -> None:
    answers: list[Any] = []

    def session() -> None:
        with triton.InferenceServerClient(device.grpc_address) as client:
            client.start_stream(lambda result, error: answers.append(error or result.as_numpy("logits").tolist()))
            tensor = triton.InferInput("x", [1, 2], "FP32")
            tensor.set_data_from_numpy(ones(1, 2))
            for _ in range(3):
                client.async_stream_infer("linear", [tensor])
            client.stop_stream()

    await asyncio.to_thread(session)
    assert answers == [[[2.0, 2.0]]] * 3


async def test_tritonclients_asyncio_twin_works_with_its_defaults(device: Device) -> None:
    async with triton_aio.InferenceServerClient(device.grpc_address) as client:
        assert await client.is_server_ready()
        assert (await client.get_model_metadata("linear")).name == "linear"
        tensor = triton.InferInput("x", [3, 2], "FP32")
        tensor.set_data_from_numpy(ones(3, 2))
        answer = await client.infer("linear", [tensor], compression_algorithm="gzip")
        assert answer.as_numpy("twice").tolist() == [[4, 4]] * 3
