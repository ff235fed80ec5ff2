"""Measures the HTTP layers of servers.py in turns, on one core, and writes build/bench/http-layers.json."""

import contextlib
import sys
from collections.abc import Iterator
from functools import partial

from tests.bench.figures import Figure, Report
from tests.bench.serving import messages, models
from tests.bench.serving.clients import Connection, requests_per_second
from tests.bench.serving.consumption import cpu_seconds
from tests.bench.serving.messages import Message
from tests.bench.serving.models import Model
from tests.bench.serving.processes import CLIENT, Command, Contestant, program, started
from tests.bench.serving.timing import interleaved, timed
from tests.cluster.command import run
from tests.cluster.ports import free_port

CONTESTANTS = [
    ("httptools", "asyncio"), ("httptools", "uvloop"), ("buffered", "uvloop"), ("aiohttp", "asyncio"),
    ("aiohttp", "uvloop"), ("granian", "uvloop"), ("ours", "asyncio"), ("ours", "uvloop"),
]  # fmt: skip
IMPORTS = ("aiohttp.web", "prometheus_client", "httptools, orjson, simdjson", "uvloop")
_IMPORT = """
import asyncio, numpy, re
def private():
    return sum(map(int, re.findall(r"Private_\\w+: +(\\d+)", open("/proc/self/smaps_rollup").read())))
before = private()
import {modules}
print(private() - before)
"""
ROUNDS = 5
EACH = 100
SECONDS = 2
HEAP = {"MALLOC_MMAP_THRESHOLD_": str(2**22), "MALLOC_TRIM_THRESHOLD_": str(2**23)}  # as the runtime sets it


def main() -> None:
    report = Report("http-layers")
    saturated(models.mlp(), report)
    one_connection(models.average(), report)
    imported(report)
    report.write()


def saturated(model: Model, report: Report) -> None:
    """CPU of a request of 3 KB, eight connections: the least of all rounds, as neighbours can only add to it."""
    message = messages.binary(model)
    with serving(model) as contestants:
        spent: dict[str, list[float]] = {name: [] for name in contestants}
        for _ in range(ROUNDS):
            for name, contestant in contestants.items():
                spent[name].append(cpu_of_a_request(contestant, message))
        for name, values in spent.items():
            report.add(Figure(f"{name}: CPU of a request, 3 KB, 8 connections", values, "us", summary=min))


def one_connection(model: Model, report: Report) -> None:
    """What is left of a request of 602 KB besides the model."""
    message = messages.binary(model)
    with serving(model) as contestants, contextlib.ExitStack() as connections:
        samples = {}
        for name, contestant in contestants.items():
            connection = connections.enter_context(Connection(contestant.port))
            samples[name] = timed(partial(connection.ask, message))
        for name, medians in interleaved(samples, ROUNDS, EACH).items():
            report.add(Figure(f"{name}: p50 of 602 KB, 1 connection", medians, "ms"))


@contextlib.contextmanager
def serving(model: Model) -> Iterator[dict[str, Contestant]]:
    """All of them at the same time; those that are not asked sleep."""
    with contextlib.ExitStack() as stack:
        contestants = {}
        for layer, loop in CONTESTANTS:
            name, port = f"{layer} on {loop}", free_port()
            argv = program("tests.bench.layers.servers", layer, loop, model.path, port)
            command = Command(f"layer-{layer}-{loop}", argv, ready="", environment=HEAP)
            pid = stack.enter_context(started(command, port))
            contestants[name] = Contestant(pid, port, name)
        yield contestants


def cpu_of_a_request(contestant: Contestant, message: Message) -> float:
    """Microseconds, user and system."""
    before = cpu_seconds(contestant.pid)
    rate = requests_per_second(contestant.port, message, CLIENT, SECONDS)
    return (cpu_seconds(contestant.pid) - before) / (rate * SECONDS) * 1e6


def imported(report: Report) -> None:
    """What a device pays for a library before the first request. numpy and asyncio are there anyway."""
    for modules in IMPORTS:
        kib = int(run(sys.executable, "-c", _IMPORT.format(modules=modules)))
        report.add(Figure(f"import {modules}: private memory", [kib / 1024], "MiB"))


if __name__ == "__main__":
    main()
