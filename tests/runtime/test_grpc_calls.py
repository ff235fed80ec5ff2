"""gRPC under way: deadlines, clients that leave or stall, overload, draining, and the door before the first client."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2 as pb

from edgewise.contract.plan import PlanServing
from edgewise_runtime.grpc.frames import PREFACE
from tests.runtime import tinyonnx
from tests.runtime.agent.waiting import PATIENCE_SECONDS, until
from tests.runtime.grpcclient import asking, output, raw, refusal
from tests.runtime.processes import serving
from tests.runtime.serving import Running, ones, running
from tests.runtime.sessions import Gated, model
from tests.runtime.suite import LIMITS

pytestmark = pytest.mark.loops

QUESTION = raw(np.ones(1, np.float32), "gated")


@contextlib.asynccontextmanager
async def occupied(session: Gated) -> AsyncIterator[tuple[Running, Any, Any]]:
    """A device with one worker, a stub, and a call that runs until the gate opens."""
    async with running(model(session), workers=1) as device, asking(device) as stub:
        slow = stub.ModelInfer(QUESTION)
        await until(lambda: device.server.plane.dispatch.running, "it runs")
        yield device, stub, slow
        session.gate.set()
        assert output(await slow, "y").tolist() == [2.0]


async def test_a_client_whose_deadline_passes_leaves_no_work_behind(session: Gated) -> None:
    async with occupied(session) as (device, stub, _):
        code, _ = await refusal(stub.ModelInfer(QUESTION, timeout=0.05))
        assert code == grpc.StatusCode.DEADLINE_EXCEEDED
        await until(lambda: not device.server.plane.dispatch.waiting, "its place is free")


async def test_the_timeout_of_the_request_itself_is_a_deadline_too(session: Gated) -> None:
    """As tritonclient's infer(timeout=...) says it, in microseconds: the server refuses, not the client."""
    hurried = pb.ModelInferRequest()
    hurried.CopyFrom(QUESTION)
    hurried.parameters["timeout"].int64_param = 50_000
    async with occupied(session) as (_, stub, _):
        code, text = await refusal(stub.ModelInfer(hurried))
        assert (code, "the request allows" in text) == (grpc.StatusCode.DEADLINE_EXCEEDED, True)


async def test_a_cancelled_call_gives_its_place_in_the_queue_back(session: Gated) -> None:
    async with occupied(session) as (device, stub, _):
        dispatch, gone = device.server.plane.dispatch, stub.ModelInfer(QUESTION)
        await until(lambda: dispatch.waiting, "one waits")
        gone.cancel()
        await until(lambda: not dispatch.waiting, "its place is free")


async def test_overload_is_refused_at_once_with_when_to_come_back(session: Gated) -> None:
    async with occupied(session) as (device, stub, _):
        device.server.configure(PlanServing(max_queue=1), None)
        second = stub.ModelInfer(QUESTION)
        await until(lambda: device.server.plane.dispatch.waiting, "one waits")
        call = stub.ModelInfer(QUESTION)
        code, _ = await refusal(call)
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert dict(await call.trailing_metadata())["grpc-retry-pushback-ms"] == "1000"
        session.gate.set()
        assert output(await second, "y").tolist() == [2.0]


async def test_a_client_that_never_sends_its_message_is_cut_off(device: Running) -> None:
    async with grpc.aio.insecure_channel(device.grpc_address) as channel:
        call: Any = channel.stream_unary("/inference.GRPCInferenceService/ModelInfer")()
        code, text = await refusal(call)
        assert (code, f"within {LIMITS['body_timeout']:g} s" in text) == (grpc.StatusCode.DEADLINE_EXCEEDED, True)


async def test_a_call_without_a_message_is_refused(device: Running) -> None:
    async with grpc.aio.insecure_channel(device.grpc_address) as channel:
        call: Any = channel.stream_unary("/inference.GRPCInferenceService/ModelInfer")()
        await call.done_writing()
        assert (await refusal(call))[0] == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_drain_finishes_calls_and_ends_idle_streams(session: Gated) -> None:
    async with running(model(session), workers=1) as device, asking(device) as stub:
        session.gate.set()
        idle = stub.ModelStreamInfer()
        await idle.write(QUESTION)
        assert (await idle.read()).infer_response.model_name == "gated"
        session.gate.clear()
        slow = stub.ModelInfer(QUESTION)
        await until(lambda: device.server.plane.dispatch.running, "it runs")
        draining = asyncio.ensure_future(device.server.drain(PATIENCE_SECONDS))
        await until(lambda: device.server.plane.draining, "it drains")
        session.gate.set()
        assert output(await slow, "y").tolist() == [2.0]
        await draining
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
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # nobody listens there, and nobody else gets it
        port = reserved.getsockname()[1]
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
