"""gRPC targets against the server everybody has, grpcio's, on its good days and on its bad ones."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2 as pb

from edgewise_runtime.escalation.targets import Targets, transport
from edgewise_runtime.escalation.targets import grpc as ours
from tests.cloud.road import road
from tests.runtime.agent.waiting import until
from tests.runtime.faults import link
from tests.runtime.targets.asking import ask, linear, logits, refusal, target

pytestmark = pytest.mark.loops
Answer = Callable[[bytes, Any], Awaitable[bytes]]
QUESTION = linear(np.ones((1, 2), np.float32))


@contextlib.asynccontextmanager
async def server(answer: Answer, **options: int) -> AsyncIterator[int]:
    """Its port; `answer` gets and gives messages as bytes."""
    given = [(f"grpc.{name}", value) for name, value in options.items()]
    it = grpc.aio.server(options=[("grpc.so_reuseport", 0), *given])
    method: Any = grpc.unary_unary_rpc_method_handler(answer)
    it.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("inference.GRPCInferenceService", {"ModelInfer": method}),)
    )
    port: int = it.add_insecure_port("127.0.0.1:0")
    await it.start()
    try:
        yield port
    finally:
        await it.stop(None)


async def back(message: bytes, _context: Any) -> bytes:
    """Gives the inputs back as logits."""
    request = pb.ModelInferRequest.FromString(message)
    response = pb.ModelInferResponse(model_name=request.model_name, id=request.id)
    for tensor, raw in zip(request.inputs, request.raw_input_contents, strict=True):
        response.outputs.add(name="logits", datatype=tensor.datatype, shape=tensor.shape)
        response.raw_output_contents.append(raw)
    return bytes(response.SerializeToString())


@pytest.mark.parametrize("compress", [False, True])
async def test_a_large_tensor_goes_there_and_back(compress: bool, targets: Targets) -> None:
    numbers = np.random.default_rng(0).random((4, 3, 224, 224), np.float32)
    async with server(back, max_receive_message_length=-1, max_send_message_length=-1) as port:
        reply = await ask(targets, target(f"grpc://127.0.0.1:{port}", compress=compress), linear(numbers))
    np.testing.assert_array_equal(logits(reply), numbers)
    assert (reply.sent < numbers.nbytes) == compress


async def test_the_target_hears_how_long_we_wait_and_how_often_it_was_passed_on(targets: Targets) -> None:
    heard: dict[str, Any] = {}

    async def listen(message: bytes, context: Any) -> bytes:
        heard.update(dict(context.invocation_metadata()), seconds=context.time_remaining())
        return await back(message, context)

    async with server(listen) as port:
        await ask(targets, target(f"grpc://127.0.0.1:{port}", timeoutSeconds=3), QUESTION)
    assert 0 < heard["seconds"] <= 3
    assert heard["edgewise-hops"] == "1"


async def test_a_target_has_no_longer_than_its_own_timeout(targets: Targets) -> None:
    async with link(1) as silent:
        silent.fault = "blackhole"
        url = f"grpc://127.0.0.1:{silent.port}"
        error = await refusal(targets, target(url, timeoutSeconds=0.05), QUESTION)
        assert (error.result, str(error)) == ("timeout", "no answer within 50 ms")
        error = await refusal(targets, target(url, timeoutSeconds=3600), QUESTION, 0.06)
        assert str(error) == "no answer within 60 ms"


async def test_a_question_that_was_given_up_takes_its_connection_along(targets: Targets) -> None:
    patient = asyncio.Event()

    async def late(message: bytes, context: Any) -> bytes:
        await patient.wait()
        return await back(message, context)

    async with server(late) as port, road(port) as way:
        asked = target(f"grpc://127.0.0.1:{way.port}")
        assert (await refusal(targets, asked, QUESTION, 0.1)).result == "timeout"
        patient.set()
        assert len(logits(await ask(targets, asked, QUESTION))) == 1
        assert way.connections == 2


CODES = {
    grpc.StatusCode.UNAVAILABLE: "refused", grpc.StatusCode.UNAUTHENTICATED: "refused",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "refused", grpc.StatusCode.INTERNAL: "refused",
    grpc.StatusCode.INVALID_ARGUMENT: "rejected", grpc.StatusCode.FAILED_PRECONDITION: "rejected",
    grpc.StatusCode.OUT_OF_RANGE: "rejected", grpc.StatusCode.DEADLINE_EXCEEDED: "timeout",
}  # fmt: skip


@pytest.mark.parametrize("code", CODES)
async def test_a_refusal_says_so_in_the_targets_words(code: grpc.StatusCode, targets: Targets) -> None:
    async def refuse(_message: bytes, context: Any) -> bytes:
        await context.abort(code, "so müde: 100 %")
        return b""

    async with server(refuse) as port:
        error = await refusal(targets, target(f"grpc://127.0.0.1:{port}"), QUESTION)
    assert (error.result, str(error)) == (CODES[code], f"gRPC {code.name}: so müde: 100 %")


async def test_a_message_that_the_server_finds_too_large_is_refused_while_it_is_sent(targets: Targets) -> None:
    big = linear(np.ones((64, 4096), np.float32))
    async with server(back, max_receive_message_length=1024) as port:
        error = await refusal(targets, target(f"grpc://127.0.0.1:{port}"), big)
        assert "RESOURCE_EXHAUSTED" in str(error)
        assert len(logits(await ask(targets, target(f"grpc://127.0.0.1:{port}"), QUESTION))) == 1


async def test_an_answer_larger_than_we_take_is_no_help(targets: Targets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "MAX_REPLY", 100)
    async with server(back) as port:
        error = await refusal(targets, target(f"grpc://127.0.0.1:{port}"), linear(np.ones((1, 64), np.float32)))
        assert str(error) == "the answer is larger than 100 bytes"


@pytest.mark.parametrize("garbage", [b"", b"not a message at all", b"\x0a\xff"])
async def test_an_answer_that_cannot_be_read_is_no_help(garbage: bytes, targets: Targets) -> None:
    async def answer(_message: bytes, _context: Any) -> bytes:
        return garbage

    async with server(answer) as port:
        reply = refusal(targets, target(f"grpc://127.0.0.1:{port}"), QUESTION)
        if garbage:
            assert (await reply).result == "invalid"
        else:  # an empty message is a message: without outputs
            reply.close()
            assert (await ask(targets, target(f"grpc://127.0.0.1:{port}"), QUESTION)).response.outputs == ()


async def test_a_server_that_went_away_in_between_is_found_when_it_is_back(targets: Targets) -> None:
    async with server(back) as port:
        asked = target(f"grpc://127.0.0.1:{port}")
        await ask(targets, asked, QUESTION)
    error = await refusal(targets, asked, QUESTION)
    assert (error.result, error.spent) == ("unreachable", 0)
    assert "Connect call failed" in str(error) or "refused" in str(error)


async def test_a_connection_that_was_silent_for_too_long_is_not_used_again(
    targets: Targets, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with server(back) as port, road(port) as way:
        asked = target(f"grpc://127.0.0.1:{way.port}")
        await ask(targets, asked, QUESTION)
        monkeypatch.setattr(ours, "IDLE_SECONDS", 0.0)
        await ask(targets, asked, QUESTION)
        assert way.connections == 2
    assert transport.IDLE_SECONDS == 60


async def test_a_connection_that_the_server_ends_is_not_used_again(targets: Targets) -> None:
    async with server(back, max_connection_age_ms=300, max_connection_age_grace_ms=10_000) as port, road(port) as way:
        asked = target(f"grpc://127.0.0.1:{way.port}")
        await ask(targets, asked, QUESTION)
        await until(lambda: way.ended, "the connection has ended")
        await ask(targets, asked, QUESTION)
        assert way.connections == 2


async def test_a_server_that_wants_to_end_the_connection_may_answer_before(targets: Targets) -> None:
    """As servers do that drain, or that let no connection grow old."""
    asked = asyncio.Event()

    async def late(message: bytes, context: Any) -> bytes:
        asked.set()
        await asyncio.sleep(0.5)  # the server says goodbye after 0.1 s
        return await back(message, context)

    async with server(late, max_connection_age_ms=100, max_connection_age_grace_ms=10_000) as port:
        reply = await ask(targets, target(f"grpc://127.0.0.1:{port}"), QUESTION)
        assert len(logits(reply)) == 1


NO_GRPC = {
    "a port of HTTP/1.1": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "noise": b"\x00" * 64,
    "nothing": b"",
}


@pytest.mark.parametrize("case", NO_GRPC)
async def test_what_is_no_grpc_server_is_no_help(case: str, targets: Targets) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(NO_GRPC[case])
        await writer.drain()
        writer.close()

    it = await asyncio.start_server(speak, "127.0.0.1", 0)
    error = await refusal(targets, target(f"grpc://127.0.0.1:{it.sockets[0].getsockname()[1]}"), QUESTION)
    it.close()
    assert error.result == "unreachable"


async def test_targets_of_a_former_plan_are_closed_once_they_have_answered(targets: Targets) -> None:
    asked, answering = asyncio.Event(), asyncio.Event()

    async def slow(message: bytes, context: Any) -> bytes:
        asked.set()
        await answering.wait()
        return await back(message, context)

    async with server(slow) as port, road(port) as way:
        question = asyncio.ensure_future(ask(targets, target(f"grpc://127.0.0.1:{way.port}"), QUESTION))
        await asked.wait()
        targets.use([])
        answering.set()
        assert len(logits(await question)) == 1
        await until(lambda: way.ended, "the connection has ended")
