"""What serving takes from the device besides the model: CPU at an easy pace, memory at rest."""

import contextlib
import time
from pathlib import Path

from tests.bench.figures import Figure, Report
from tests.bench.serving import bare, floor, models, ours
from tests.bench.serving.clients import Connection
from tests.bench.serving.messages import Message, binary
from tests.bench.serving.processes import USABLE, Contestant
from tests.bench.serving.timing import minus, over

RATE, SECONDS = 20, 5
CPU_ROUNDS, MEMORY_ROUNDS = 3, 3
REQUESTS = bare.RUNS


def idle(report: Report) -> None:
    """20 requests a second: on all cores with what the server chose itself, and kept to one core, so one thread."""
    for model in (models.mlp(), models.cnn()):
        message = binary(model)
        cores: dict[str, list[float]] = {"ours, all cores": [], "ours, one thread": []}
        with contextlib.ExitStack() as stack:
            servers = {
                "ours, all cores": stack.enter_context(ours.serving(model, USABLE)),
                "ours, one thread": stack.enter_context(ours.serving(model)),
            }
            for name, server in servers.items():
                report.settings[name] = server.settings
            for _ in range(CPU_ROUNDS):
                for name, server in servers.items():
                    cores[name].append(_cores_used(server, message))
        ratio = over(cores["ours, all cores"], cores["ours, one thread"])
        name = f"CPU at {RATE} requests/s / with one thread, no spinning ({model.name})"
        report.add(Figure(name, ratio, "x", limit=1.2, raw=cores))


def memory(report: Report) -> None:
    """After 200 requests, over a process that loaded the same model with the same library and ran it as often."""
    for model in (models.mlp(), models.cnn()):
        message = binary(model)
        private: dict[str, list[float]] = {"ours": [], "still": []}
        proportional: dict[str, list[float]] = {"ours": [], "still": []}
        for _ in range(MEMORY_ROUNDS):
            with ours.serving(model) as own, floor.serving("still", model, message) as alone:
                report.settings |= {"ours": own.settings, "still": alone.settings}
                with Connection(own.port) as connection:
                    for _ in range(REQUESTS):
                        connection.ask(message)
                for name, contestant in (("ours", own), ("still", alone)):
                    private[name].append(private_memory(contestant.pid))
                    proportional[name].append(_smaps(contestant.pid)["Pss"])
        for kind, figures_of, limit in (("private", private, 40), ("PSS", proportional, 60)):
            over_bare = minus(figures_of["ours"], figures_of["still"])
            name = f"memory over a bare ONNX Runtime process, {kind} ({model.name})"
            report.add(Figure(name, over_bare, "MiB", limit=limit, raw=figures_of))


def private_memory(pid: int) -> float:
    """MiB that would be free if the process ended."""
    figures = _smaps(pid)
    return figures["Private_Clean"] + figures["Private_Dirty"]


def _cores_used(server: Contestant, message: Message) -> float:
    """CPU seconds a second, of all threads, while it is asked RATE times a second."""
    with Connection(server.port) as connection:
        for _ in range(RATE):
            connection.ask(message)
        began, before = time.perf_counter(), cpu_seconds(server.pid)
        for number in range(RATE * SECONDS):
            time.sleep(max(0.0, began + number / RATE - time.perf_counter()))
            connection.ask(message)
        return (cpu_seconds(server.pid) - before) / (time.perf_counter() - began)


def cpu_seconds(pid: int) -> float:
    """From the scheduler's count of nanoseconds, all threads; the clock ticks of /proc/<pid>/stat are too coarse."""
    return sum(int(file.read_text().split()[0]) for file in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def _smaps(pid: int) -> dict[str, float]:
    """MiB by name."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(size.split()[0]) / 1024 for name, size in (line.split(":") for line in lines)}
