"""`edgewise-runtime`: `agent` in a pod, where a plan says what to serve; `serve` anywhere else, for a file at hand."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import gc
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

from edgewise.api.names import GRPC_PORT, HTTP_PORT
from edgewise_runtime import __version__, engines, logs
from edgewise_runtime.access import Demands
from edgewise_runtime.engines import memory
from edgewise_runtime.engines.base import EngineOptions, ModelLoadError
from edgewise_runtime.models import Models
from edgewise_runtime.server import Server
from edgewise_runtime.settings import PORTS, Settings, SettingsError
from edgewise_runtime.tuning.tuner import Tuner

log = logging.getLogger("edgewise_runtime")


def main() -> None:
    """Called by `__main__`. Exits with 0 after SIGTERM or Ctrl-C, 1 where it cannot start, 2 on wrong arguments."""
    arguments = _parser().parse_args()
    memory.arrange_heap()
    try:
        settings = Settings.from_environment()
        logs.configure(settings.log_level, as_json=arguments.command != "serve")
        _run(_commanded(arguments, settings))
    except (SettingsError, ModelLoadError, OSError, ValueError) as error:
        sys.exit(f"edgewise-runtime: {error}")


def _run(work: Coroutine[Any, Any, None]) -> None:
    """On uvloop where it is installed: a tenth less CPU for each request, see docs/adr/20261121.http-layer.md."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(work)
    else:
        uvloop.run(work)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edgewise-runtime", description="Serves models by the Open Inference Protocol."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="serve | agent | gateway")
    serve = commands.add_parser("serve", help="serve a model file; no Kubernetes needed")
    serve.add_argument("model", type=Path, help="a file: .onnx, .tflite, or a .zip of OpenVINO's .xml and .bin")
    serve.add_argument("--processing", type=Path, help="YAML with what an EdgeModel has under spec.processing")
    serve.add_argument("--engine", choices=engines.NAMES, default="", help="default: the usual one for such a file")
    serve.add_argument("--provider", action="append", default=[], help="EdgeTPU, GPU, …; repeat in order of liking")
    serve.add_argument("--name", default="", help="name in URLs (default: the file's name)")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s; 0.0.0.0: all)")
    serve.add_argument("--port", type=_port, default=HTTP_PORT, help="0: any free one (default: %(default)s)")
    serve.add_argument("--grpc-port", type=_port, help="default: 8001 beside port 8000, else any free one")
    serve.add_argument("--metrics-port", type=_port, default=0, help="default: any free one")
    commands.add_parser("agent", help="in a pod: follow the plan in EDGEWISE_PLAN_FOLDER")
    commands.add_parser("gateway", help="in a pod: no model; hand all requests to the plan's targets")
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) >= PORTS:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: a whole number from 0 to {PORTS - 1} is needed")
    return int(text)


def _commanded(arguments: argparse.Namespace, settings: Settings) -> Coroutine[Any, Any, None]:
    if arguments.command == "serve":
        return _serve(arguments, settings)
    return _agent(settings) if arguments.command == "agent" else _gateway(settings)


async def _serve(arguments: argparse.Namespace, settings: Settings) -> None:
    from edgewise_runtime import laptop

    settings = _told(arguments, settings)
    models = Models()
    options = EngineOptions(arguments.engine, tuple(arguments.provider))
    what = arguments.model, arguments.name, arguments.processing, options, Tuner(budget=settings.tuning)
    served = await asyncio.to_thread(laptop.load, *what)
    models.replace({served.name: served}, release="local")
    server = Server(models, settings)

    async def announce() -> None:
        grpc_port = server.grpc_port if settings.grpc else None
        print(laptop.welcome(served, server.http_port, grpc_port, Demands.of(settings)), flush=True)

    await _until_stopped(server, settings, announce)


def _told(arguments: argparse.Namespace, settings: Settings) -> Settings:
    """What the command line says, over what the environment says."""
    usual = GRPC_PORT if arguments.port == HTTP_PORT else 0
    return dataclasses.replace(
        settings,
        host=arguments.host,
        http_port=arguments.port,
        grpc_port=usual if arguments.grpc_port is None else arguments.grpc_port,
        metrics_port=arguments.metrics_port,
        quiet=0.0,
    )


async def _agent(settings: Settings) -> None:
    from edgewise_runtime import agent

    models = Models()
    server = Server(models, settings)
    await _until_stopped(server, settings, lambda: agent.run(server, models, settings))


async def _gateway(settings: Settings) -> None:
    from edgewise_runtime import gateway

    models = Models()
    server = Server(models, settings, questions=settings.max_connections)
    await _until_stopped(server, settings, lambda: gateway.run(server, models, settings))


async def _until_stopped(server: Server, settings: Settings, work: Callable[[], Awaitable[None]]) -> None:
    """Serves, and does `work` beside it, until SIGTERM or SIGINT; then drains. An error of `work` ends everything."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    gc.freeze()  # what was imported stays: not to be walked through whenever garbage is looked for
    gc.enable()
    await server.start()
    stopped = asyncio.ensure_future(stop.wait())
    working = asyncio.ensure_future(work())
    try:
        await asyncio.wait([stopped, working], return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
        await stopped
    finally:
        working.cancel()
        stopped.cancel()
        log.info("draining")
        await server.drain(settings.grace)
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await working  # a file that is being checked, a model that is being loaded: no request waits for those
