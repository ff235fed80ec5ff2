"""Stands between a device and a real server, far away from both, and spoils what passes: one fault at a time.

A TCP proxy does what a network does (nothing comes, connections are reset, noise comes, all takes long). Behind it
stands a proxy of the protocol that does what a wrong server does: it answers with an error, with garbage, with tensors
of another shape or without numbers, with the answer to another request.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import aiohttp
import grpc
import numpy as np
from aiohttp import web
from tritonclient.grpc import service_pb2 as pb

from tests.cloud.passing import accepting, until_either_ends

Fault = Literal[
    "blackhole", "reset", "noise", "slow", "error", "garbage", "another shape", "no numbers", "another request's id"
]
FAULTS: tuple[Fault, ...] = get_args(Fault)
NOISE = bytes(range(255, 0, -1)) * 4
_HEADER = "Inference-Header-Content-Length"
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no time: the peer is told with a RST


@dataclass
class Between:
    """`fault` and `delay` may change at any time, for whatever passes from then on."""

    fault: Fault | None = None
    delay: float = 0.0
    """Seconds that one question and its answer spend on the way, both together."""
    slowness: float = 60.0
    """The delay while the fault is `slow`."""
    port: int = 0
    asked: int = 0
    """Questions that reached it."""

    async def carry(self, behind: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to a port of this machine."""
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", behind)
        try:
            out, back = self._out(reader, there_writer, writer), self._back(there_reader, writer)
            await until_either_ends(there_writer, out, back)
        finally:
            writer.transport.abort()

    async def _out(self, reader: asyncio.StreamReader, there: asyncio.StreamWriter, back: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65536):
            if self.fault == "reset":
                back.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                return
            if self.fault == "noise":
                back.write(NOISE)
            elif self.fault != "blackhole":
                self._pass(there, chunk)

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65536):
            if self.fault != "blackhole":
                self._pass(writer, chunk)

    def _pass(self, writer: asyncio.StreamWriter, chunk: bytes) -> None:
        delay = self.slowness if self.fault == "slow" else self.delay
        if delay:
            asyncio.get_running_loop().call_later(delay / 2, _write, writer, chunk)
        else:
            writer.write(chunk)


def _write(writer: asyncio.StreamWriter, chunk: bytes) -> None:
    if not writer.is_closing():
        writer.write(chunk)


@contextlib.asynccontextmanager
async def between(target: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Between]:
    """Before the server at `target` (http://host:port or grpc://host:port); `tls`: spoken by the near end."""
    it = Between()
    kind = _grpc_server if target.startswith("grpc") else _http_server
    async with kind(target.partition("://")[2], it) as behind, accepting(partial(it.carry, behind), tls) as it.port:
        yield it


@contextlib.asynccontextmanager
async def _http_server(target: str, it: Between) -> AsyncIterator[int]:
    plain = {"Accept-Encoding": "identity"}
    async with aiohttp.ClientSession(f"http://{target}", headers=plain) as there:

        async def respond(request: web.Request) -> web.Response:
            it.asked += 1
            if it.fault == "error":
                return web.Response(status=500, text="out of memory")
            if it.fault == "garbage":
                return web.Response(body=NOISE, headers={_HEADER: "40"})
            headers = {name: request.headers[name] for name in (_HEADER, "Content-Encoding") if name in request.headers}
            async with there.post(request.path, data=await request.read(), headers=headers) as answer:
                body, kept = await answer.read(), {"Content-Type": answer.content_type}
                if _HEADER in answer.headers:
                    head, body = _spoilt(body, int(answer.headers[_HEADER]), it.fault)
                    kept[_HEADER], body = str(len(head)), head + body
                return web.Response(status=answer.status, body=body, headers=kept)

        app = web.Application(client_max_size=2**26)
        app.router.add_post("/{path:.*}", respond)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield int(runner.addresses[0][1])
        finally:
            await runner.cleanup()


def _spoilt(body: bytes, size: int, fault: Fault | None) -> tuple[bytes, bytes]:
    """JSON part and tensors of an answer with FP32 tensors."""
    message, tensors = json.loads(body[:size]), body[size:]
    if fault == "another shape":
        for output in message["outputs"]:
            output["shape"] = [*output["shape"][::-1], 1]
    elif fault == "no numbers":
        tensors = np.full(len(tensors) // 4, np.nan, np.float32).tobytes()
    elif fault == "another request's id":
        message["id"] = "somebody else's"
    return json.dumps(message).encode(), tensors


@contextlib.asynccontextmanager
async def _grpc_server(target: str, it: Between) -> AsyncIterator[int]:
    async with grpc.aio.insecure_channel(target) as channel:
        there: Any = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")

        async def respond(message: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
            it.asked += 1
            if it.fault == "error":
                await context.abort(grpc.StatusCode.INTERNAL, "out of memory")
            if it.fault == "garbage":
                return NOISE
            return _spoilt_message(await there(message), it.fault)

        server = grpc.aio.server()
        handler: Any = grpc.unary_unary_rpc_method_handler(respond)
        service = grpc.method_handlers_generic_handler("inference.GRPCInferenceService", {"ModelInfer": handler})
        server.add_generic_rpc_handlers((service,))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            yield port
        finally:
            await server.stop(None)


def _spoilt_message(answer: bytes, fault: Fault | None) -> bytes:
    """Likewise."""
    message = pb.ModelInferResponse.FromString(answer)
    if fault == "another shape":
        for output in message.outputs:
            output.shape[:] = [*reversed(output.shape), 1]
    elif fault == "no numbers":
        for number, raw in enumerate(message.raw_output_contents):
            message.raw_output_contents[number] = np.full(len(raw) // 4, np.nan, np.float32).tobytes()
    elif fault == "another request's id":
        message.id = "somebody else's"
    spoilt: bytes = message.SerializeToString()
    return spoilt
