"""`edgewise-runtime`: `agent` in a pod, where a plan says what to serve; `serve` anywhere else, for a file at hand."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from edgewise_runtime import __version__, laptop, logs
from edgewise_runtime.engines.base import ModelLoadError
from edgewise_runtime.models import Models
from edgewise_runtime.server import Server
from edgewise_runtime.settings import Settings, SettingsError

log = logging.getLogger("edgewise_runtime")


def main() -> None:
    """The console script. Exits with 0 after SIGTERM or Ctrl-C, 1 where it cannot start, 2 on wrong arguments."""
    arguments = _parser().parse_args()
    try:
        settings = Settings.from_environment()
        logs.configure(settings.log_level, as_json=arguments.command == "agent")
        asyncio.run(_serve(arguments, settings) if arguments.command == "serve" else _agent(settings))
    except (SettingsError, ModelLoadError, OSError, ValueError) as error:
        sys.exit(f"edgewise-runtime: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edgewise-runtime", description="Serves models by the Open Inference Protocol."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="serve | agent")
    serve = commands.add_parser("serve", help="serve a model file; no Kubernetes needed")
    serve.add_argument("model", type=Path, help="an ONNX file")
    serve.add_argument("--name", default="", help="name in URLs (default: the file's name)")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s; 0.0.0.0: all)")
    serve.add_argument("--port", type=int, default=8000, help="0: any free one (default: %(default)s)")
    serve.add_argument("--metrics-port", type=int, default=0, help="default: any free one")
    commands.add_parser("agent", help="in a pod: follow the plan in EDGEWISE_PLAN_FOLDER")
    return parser


async def _serve(arguments: argparse.Namespace, settings: Settings) -> None:
    settings = dataclasses.replace(
        settings, host=arguments.host, http_port=arguments.port, metrics_port=arguments.metrics_port, quiet=0.0
    )
    models = Models()
    served = await asyncio.to_thread(laptop.load, arguments.model, arguments.name)
    models.replace({served.name: served}, release="local")
    server = Server(models, settings)

    async def announce() -> None:
        print(laptop.welcome(served, server.http_port), flush=True)

    await _until_stopped(server, settings, announce)


async def _agent(settings: Settings) -> None:
    from edgewise_runtime import agent

    models = Models()
    server = Server(models, settings)
    await _until_stopped(server, settings, lambda: agent.run(server, models, settings))


async def _until_stopped(server: Server, settings: Settings, work: Callable[[], Awaitable[None]]) -> None:
    """Serves, and does `work` beside it, until SIGTERM or SIGINT; then drains. An error of `work` ends everything."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
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
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await working
        log.info("draining")
        await server.drain(settings.grace)


if __name__ == "__main__":
    main()
