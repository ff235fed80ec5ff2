"""The same model behind each HTTP layer that could have been chosen, as a program of its own.

Every one of them takes a whole request, runs the model on the bytes at its end and sends the result back: what differs
is what the layer costs. One process, one thread of ours, the model on the event loop.
"""

import argparse
import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np

Run = Callable[[memoryview], bytes]
"""The end of a body to an answer's body."""
_SCRATCH = 64 * 1024


def session(path: str) -> Run:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    model = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (spec,), (output,) = model.get_inputs(), model.get_outputs()
    shape = [size if isinstance(size, int) else 1 for size in spec.shape]
    size = int(np.prod(shape)) * 4

    def run(body: memoryview) -> bytes:
        array = np.frombuffer(body[-size:], np.uint8)
        array = array if array.ctypes.data % 4 == 0 else array.copy()
        (result,) = model.run([output.name], {spec.name: array.view(np.float32).reshape(shape)})
        return result.tobytes()  # type: ignore[no-any-return]

    return run


async def serve_aiohttp(run: Run, port: int) -> None:
    from aiohttp import web

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=run(memoryview(await request.read())))

    app = web.Application(client_max_size=2**26)
    app.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


class _Parsing:
    """What both kinds of protocol do with httptools."""

    def __init__(self, run: Run) -> None:
        import httptools

        self._run = run
        self._body: list[bytes] = []
        self._parser = httptools.HttpRequestParser(self)
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body = []
        output = self._run(memoryview(body))
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(output), output))


class _Plain(_Parsing, asyncio.Protocol):
    """Bytes objects, as asyncio makes them."""

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)


class _Buffered(_Parsing, asyncio.BufferedProtocol):
    """Into memory of ours."""

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self._scratch = memoryview(bytearray(_SCRATCH))

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._scratch

    def buffer_updated(self, nbytes: int) -> None:
        self._parser.feed_data(self._scratch[:nbytes])


async def serve_httptools(run: Run, port: int) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Plain(run), "127.0.0.1", port)
    await server.serve_forever()


async def serve_buffered(run: Run, port: int) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Buffered(run), "127.0.0.1", port)
    await server.serve_forever()


async def serve_ours(run: Run, port: int) -> None:
    """The layer alone: its listener, with an application that does what the others' does."""
    from edgewise_runtime.http.answer import whole
    from edgewise_runtime.http.application import Call
    from edgewise_runtime.http.listener import Listener
    from edgewise_runtime.ports.content import Intake
    from edgewise_runtime.ports.memory import Memory
    from edgewise_runtime.ports.reception import Limits

    class Application:
        draining = False

        def call(self, _head: object) -> Call:
            return Call(lambda body: whole(run(body)), Intake(limit=2**26))

        def admit(self, _head: object, _peer: object) -> None:
            """Everybody."""

    await Listener(Application(), Limits(patience=30.0), Memory(2**27)).start("127.0.0.1", port)
    await asyncio.Event().wait()


def serve_granian(run: Run, port: int) -> None:
    """RSGI, one worker with one thread, in this process."""
    from granian.constants import Interfaces
    from granian.server.embed import Server

    class Application:
        async def __rsgi__(self, _scope: Any, protocol: Any) -> None:
            body = await protocol()
            protocol.response_bytes(200, [("content-type", "application/octet-stream")], run(memoryview(body)))

    server = Server(Application(), address="127.0.0.1", port=port, interface=Interfaces.RSGI, log_access=False)
    _uvloop(server.serve())


def _uvloop(work: Coroutine[Any, Any, None]) -> None:
    import uvloop

    uvloop.run(work)


LAYERS = {
    "httptools": serve_httptools,
    "buffered": serve_buffered,
    "aiohttp": serve_aiohttp,
    "ours": serve_ours,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("layer", choices=[*LAYERS, "granian"])
    parser.add_argument("loop", choices=["asyncio", "uvloop"])
    parser.add_argument("model")
    parser.add_argument("port", type=int)
    arguments = parser.parse_args()
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    run = session(arguments.model)
    if arguments.layer == "granian":
        serve_granian(run, arguments.port)
        return
    work = LAYERS[arguments.layer](run, arguments.port)
    _uvloop(work) if arguments.loop == "uvloop" else asyncio.run(work)


if __name__ == "__main__":
    main()
