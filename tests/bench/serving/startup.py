"""From starting the process to the first answer, as after a power cut: the plan and the model are on the disk."""

import contextlib
import http.server
import os
import tempfile
import threading
import time
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path

from tests.bench.figures import Figure, Report
from tests.bench.serving import models, ours
from tests.bench.serving.clients import Connection
from tests.bench.serving.messages import Message, binary
from tests.bench.serving.models import Model
from tests.bench.serving.processes import CLIENT, SERVER, USABLE, Command, started
from tests.cluster.ports import free_port
from tests.runtime.agent.devices import mount
from tests.runtime.agent.documents import NODE, PROFILE, plan, release, source

ROUNDS = 5


def startup(report: Report) -> None:
    """`edgewise-runtime agent`: reads the plan, verifies the model's sha256, loads, answers."""
    model = models.five_megabytes()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _fill_cache(root, model)
        took = {
            "all cores": [_first_answer(root, model, USABLE) for _ in range(ROUNDS)],
            "one core": [_first_answer(root, model, [SERVER]) for _ in range(ROUNDS)],
        }
    report.settings["agent"] = "edgewise-runtime agent, plan mounted, 5.3 MB model in its cache, defaults"
    report.add(Figure("start to first answer, 5 MB model in cache", took["all cores"], "s", limit=1.0))
    report.add(Figure("start to first answer, one core", took["one core"], "s"))


def _fill_cache(root: Path, model: Model) -> None:
    """The first start fetches the model from a file server, which is then gone."""
    with _file_server(model.path.parent) as url:
        content = model.path.read_bytes()
        mount(root / "plan", plan(1, release("r1", {model.name: source(f"{url}/{model.path.name}", content)})))
        _first_answer(root, model, USABLE)


def _first_answer(root: Path, model: Model, cores: Collection[int]) -> float:
    """Seconds until a request was answered with 200."""
    port, message = free_port(), binary(model)
    environment = {
        "EDGEWISE_HTTP_PORT": str(port),
        "EDGEWISE_METRICS_PORT": "0",
        "EDGEWISE_NODE_NAME": NODE,
        "EDGEWISE_PROFILE": PROFILE,
        "EDGEWISE_PLAN_FOLDER": str(root / "plan"),
        "EDGEWISE_CACHE_FOLDER": str(root / "cache"),
        "EDGEWISE_ALLOW_ADDRESSES": "127.0.0.1",
        "EDGEWISE_QUIET": "0",
    }
    os.sched_setaffinity(0, cores)
    began = time.perf_counter()
    try:
        with started(Command("agent", [ours.COMMAND, "agent"], "", environment), port, cores):
            _ask_until_answered(port, message, began + 60)
            return time.perf_counter() - began
    finally:
        os.sched_setaffinity(0, {CLIENT})


def _ask_until_answered(port: int, message: Message, deadline: float) -> None:
    while True:
        try:
            with Connection(port) as connection:
                connection.ask(message)
                return
        except (RuntimeError, OSError):
            if time.perf_counter() > deadline:
                raise
            time.sleep(0.002)


@contextlib.contextmanager
def _file_server(folder: Path) -> Iterator[str]:
    handler = partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass
