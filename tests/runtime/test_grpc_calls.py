"""gRPC under way: deadlines, clients that leave or stall, overload, draining, and the door before the first client."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2 as pb

from edgewise.contract.plan import PlanServing
from edgewise_runtime.grpc.frames import PREFACE
from tests.runtime import tinyonnx
from tests.runtime.agent.waiting import until
from tests.runtime.grpcclient import asking, output, raw, refusal
from tests.runtime.processes import serving
from tests.runtime.serving import Running, ones, running, served

pytestmark = pytest.mark.loops

LONG, SHORT = 8000, 1  # rounds of the busy model: about half a second, and next to nothing


def rounds(number: int, **fields: Any) -> Any:
    return raw(np.array([number]), "busy", "rounds", "INT64", **fields)


async def test_a_client_whose_deadline_passes_leaves_no_work_behind(tmp_path: Path) -> None:
    async with running(served(tinyonnx.busy(tmp_path)), workers=1) as device, asking(device) as stub:
        dispatch = device.server.plane.dispatch
        slow = stub.ModelInfer(rounds(LONG))
        await until(lambda: dispatch.running, "it runs")
        code, _ = await refusal(stub.ModelInfer(rounds(SHORT), timeout=0.05))
        assert code == grpc.StatusCode.DEADLINE_EXCEEDED
        await until(lambda: not dispatch.waiting, "its place is free")
        await slow


async def test_the_timeout_of_the_request_itself_is_a_deadline_too(tmp_path: Path) -> None:
    """As tritonclient's infer(timeout=...) says it, in microseconds: the server refuses, not the client."""
    async with running(served(tinyonnx.busy(tmp_path)), workers=1) as device, asking(device) as stub:
        slow = stub.ModelInfer(rounds(LONG))
        await until(lambda: device.server.plane.dispatch.running, "it runs")
        timeout = {"timeout": pb.InferParameter(int64_param=50_000)}
        code, text = await refusal(stub.ModelInfer(rounds(SHORT, parameters=timeout)))
        assert (code, "the request allows" in text) == (grpc.StatusCode.DEADLINE_EXCEEDED, True)
        await slow


async def test_a_cancelled_call_gives_its_place_in_the_queue_back(tmp_path: Path) -> None:
    async with running(served(tinyonnx.busy(tmp_path)), workers=1) as device, asking(device) as stub:
        dispatch = device.server.plane.dispatch
        slow = stub.ModelInfer(rounds(LONG))
        await until(lambda: dispatch.running, "it runs")
        gone = stub.ModelInfer(rounds(SHORT))
        await until(lambda: dispatch.waiting, "one waits")
        gone.cancel()
        await until(lambda: not dispatch.waiting, "its place is free")
        await slow


async def test_overload_is_refused_at_once_with_when_to_come_back(tmp_path: Path) -> None:
    async with running(served(tinyonnx.busy(tmp_path)), workers=1) as device, asking(device) as stub:
        device.server.configure(PlanServing(max_queue=1), None)
        accepted = [stub.ModelInfer(rounds(LONG)) for _ in range(2)]
        await until(lambda: device.server.plane.dispatch.waiting, "one waits")
        call = stub.ModelInfer(rounds(SHORT))
        code, _ = await refusal(call)
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert dict(await call.trailing_metadata())["grpc-retry-pushback-ms"] == "1000"
        assert not accepted[0].done()
        await asyncio.gather(*accepted)


async def test_a_client_that_never_sends_its_message_is_cut_off(device: Running) -> None:
    async with grpc.aio.insecure_channel(device.grpc_address) as channel:
        call: Any = channel.stream_unary("/inference.GRPCInferenceService/ModelInfer")()
        code, text = await refusal(call)
        assert (code, "within 0.5 s" in text) == (grpc.StatusCode.DEADLINE_EXCEEDED, True)


async def test_a_call_without_a_message_is_refused(device: Running) -> None:
    async with grpc.aio.insecure_channel(device.grpc_address) as channel:
        call: Any = channel.stream_unary("/inference.GRPCInferenceService/ModelInfer")()
        await call.done_writing()
        assert (await refusal(call))[0] == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_drain_finishes_calls_and_ends_idle_streams(tmp_path: Path) -> None:
    async with running(served(tinyonnx.busy(tmp_path)), workers=1) as device, asking(device) as stub:
        idle = stub.ModelStreamInfer()
        await idle.write(rounds(SHORT))
        assert (await idle.read()).infer_response.model_name == "busy"
        slow = stub.ModelInfer(rounds(LONG))
        await until(lambda: device.server.plane.dispatch.running, "it runs")
        await device.server.drain(20.0)
        assert output(await slow, "result", "<i8").tolist() == [LONG]
        code, text = await refusal(idle.read())
        assert (code, text) == (grpc.StatusCode.UNAVAILABLE, "this device stops serving; ask again")


async def test_the_first_clients_wait_until_the_messages_are_loaded(device: Running) -> None:
    """Each with a connection of its own, one with a large tensor."""

    async def ask(size: int) -> int:
        async with asking(device, use_local_subchannel_pool=1) as stub:
            return len(output(await stub.ModelInfer(raw(ones(size, 2))), "logits"))

    sizes = [1, 2, 10_000, 3, 4, 5]
    assert await asyncio.gather(*map(ask, sizes)) == sizes


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n\r\n", PREFACE[:10], b""])
async def test_who_does_not_speak_http2_is_cut_off_and_costs_nothing(said: bytes, device: Running) -> None:
    port = int(device.grpc_address.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    with contextlib.suppress(ConnectionError):
        await asyncio.wait_for(reader.read(), 10.0)
    writer.close()
    assert not device.server.grpc.started


async def test_without_grpc_the_port_is_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with running(grpc=False, grpc_port=port):
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


async def test_on_a_laptop_the_port_is_told_and_serves(tmp_path: Path) -> None:
    async with serving(tinyonnx.linear(tmp_path, np.eye(2))) as laptop:
        address = re.search("gRPC on (localhost:[0-9]+)", laptop.welcome)
        assert address, laptop.welcome
        async with grpc.aio.insecure_channel(address[1]) as channel:
            call: Any = channel.unary_unary("/inference.GRPCInferenceService/ServerLive")
            assert pb.ServerLiveResponse.FromString(await call(b"")).live


def test_a_server_that_nobody_asked_by_grpc_has_not_imported_it() -> None:
    code = "import sys, edgewise_runtime.server as s; print({'grpc', 'google.protobuf'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"
