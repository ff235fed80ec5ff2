"""Hard examples kept on the device: none torn by kills, none twice at the sink, and nothing that a client would feel.

Killed by SIGKILL a moment after they have spoken, writers leave what the next start reads; senders are killed in the
middle of sending to a real web server. Latency is measured with the spool off, on, and on a disk that is full.
"""

import asyncio
import contextlib
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.bench.figures import Figure, Report
from tests.bench.serving import messages, models
from tests.bench.serving.clients import Connection
from tests.bench.serving.processes import SERVER, Command, prioritised, program, started
from tests.bench.serving.timing import over, percentile
from tests.cluster.ports import free_port
from tests.runtime.spool.collector import Collector, collecting
from tests.runtime.spool.dying import LIMIT
from tests.runtime.spool.examples import store

KILLS, SENDERS_KILLED = 200, 30
ROUNDS, EACH = 10, 400
FULL = 2**20


def figures(report: Report) -> None:
    with tempfile.TemporaryDirectory() as folder:
        torn, kept = _torn_by_kills(Path(folder, "killed"))
        report.add(Figure(f"spool: torn examples after {KILLS} kills, {kept} read", [torn], "", limit=0))
        doubles, arrived = asyncio.run(_doubles(Path(folder, "sent")))
        name = f"spool: doubles among {arrived} at the sink, {SENDERS_KILLED} senders killed, every third answer lost"
        report.add(Figure(name, [doubles], "", limit=0))
        with prioritised(), _full_disk(Path(folder, "full")) as full:
            _latency(report, Path(folder, "roomy"), full / "spool")


def _torn_by_kills(folder: Path) -> tuple[float, int]:
    """(examples that a start found torn, examples that it found), all starts together."""
    torn = found = 0
    first = 0
    for _ in range(KILLS):
        first = _killed(folder, first, random.randint(1, 10)) + 2
        there, dropped = store(folder, size=LIMIT, age=1e12)
        while best := there.best(0.0):
            found += 1
            there._entries.remove(best[0])  # from memory alone
        torn += dropped["corrupt"]
    return float(torn), found


def _killed(folder: Path, first: int, speaks: int) -> int:
    """The last example that a writer spoke of before it was killed."""
    argv = program("tests.runtime.spool.dying", folder, first, -1)
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        for _ in range(speaks):
            writer.stdout.readline()
        time.sleep(random.uniform(0, 0.01))
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split(b"\n")[:-1]
    return int(rest[-1]) if rest else first + speaks - 1


async def _doubles(folder: Path) -> tuple[float, int]:
    """(examples that the sink took in more than once, examples that it has)."""
    taken, _ = store(folder, size=2**26)
    now = time.time()
    for seed in range(SENDERS_KILLED * 10):
        taken.add(f"{seed}".encode() * 500, now + seed / 1000, 0.5)
    async with collecting() as collector:
        losing = asyncio.ensure_future(_losing(collector))
        for _ in range(SENDERS_KILLED):
            await _sender_killed(folder, collector)
        while list(folder.glob("*.npz")):
            await _sender_killed(folder, collector, patience=5.0)
        losing.cancel()
        contents = set(collector.examples.values())
        doubles = sum(count - 1 for count in collector.new.values()) + len(collector.examples) - len(contents)
        return float(doubles), len(contents)


async def _losing(collector: Collector) -> None:
    """Every now and then an answer does not come, although the sink has the example."""
    while True:
        collector.forgetful = not collector.forgetful and random.random() < 0.33
        collector.arrived.clear()
        await collector.arrived.wait()


async def _sender_killed(folder: Path, collector: Collector, patience: float = 0.0) -> None:
    collector.arrived.clear()
    argv = program("tests.bench.hybrid.sender", folder, collector.url)
    sender = await asyncio.create_subprocess_exec(*argv, stderr=asyncio.subprocess.DEVNULL)
    try:
        await asyncio.wait_for(collector.arrived.wait(), 30)
        await asyncio.sleep(patience or random.uniform(0, 0.05))
    finally:
        sender.kill()
        await sender.wait()


@contextlib.contextmanager
def _full_disk(folder: Path) -> Iterator[Path]:
    """A file system with not a byte left."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={FULL}", "tmpfs", folder], check=True)
    try:
        (folder / "spool").mkdir()
        with (folder / "somebody-elses").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def _latency(report: Report, roomy: Path, full: Path) -> None:
    model = models.cnn()
    with contextlib.ExitStack() as running:
        ports = {
            name: running.enter_context(_serving(model, name, folder))
            for name, folder in {"no spool": "-", "a spool": str(roomy), "a full disk": str(full)}.items()
        }
        seconds = _percentiles(ports, messages.binary(model))
    if not list(roomy.glob("*.npz")):
        raise RuntimeError("the spool kept nothing: its figures would say nothing")
    for name in ("a spool", "a full disk"):
        ratio = over(seconds[name], seconds["no spool"])
        figure = f"spool: p99 of serving with {name} / without, every request hard"
        report.add(Figure(figure, ratio, "x", limit=1.10, raw=seconds))


@contextlib.contextmanager
def _serving(model: models.Model, name: str, folder: str) -> Iterator[int]:
    port = free_port()
    command = Command(
        f"spool-{name.replace(' ', '-')}", program("tests.bench.hybrid.spooled", model.path, port, folder)
    )
    with started(command, port, (SERVER,)):
        yield port


def _percentiles(ports: Mapping[str, int], message: messages.Message) -> dict[str, list[float]]:
    """{contestant: the p99 of each of its turns, in ms}."""
    found: dict[str, list[float]] = {name: [] for name in ports}
    names = list(ports)
    with contextlib.ExitStack() as opened:
        lines = {name: opened.enter_context(Connection(port)) for name, port in ports.items()}
        for number in range(ROUNDS):
            at = number % len(names)
            for name in names[at:] + names[:at]:
                times = [_seconds(lines[name], message) for _ in range(EACH)]
                found[name].append(percentile(times[5:], 0.99) * 1000)
    return found


def _seconds(line: Connection, message: messages.Message) -> float:
    began = time.perf_counter()
    line.ask(message)
    return time.perf_counter() - began
