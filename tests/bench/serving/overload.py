"""Ten times more requests than one core can run: those that are let in must stay quick, the others be told at once."""

import asyncio
import time
from dataclasses import dataclass, field
from functools import partial

from tests.bench.figures import Figure, Report
from tests.bench.serving import models, ours
from tests.bench.serving.clients import Connection
from tests.bench.serving.health import rounds_lasting
from tests.bench.serving.messages import Message, rounds
from tests.bench.serving.timing import over, percentile, seconds_of, timed

ROUNDS = 3
RUN = 0.02  # seconds of one inference: 50 a second is all that one core can do
TIMES = 10
SECONDS = 8
UNLOADED = 150
CALM, IN_A_ROW = 1.5, 5  # recovered: that many answers in a row within that many times the unloaded p99


@dataclass
class _Flood:
    """Requests that come when they are due, whether or not earlier ones were answered."""

    port: int
    message: Message
    seconds: dict[int, list[float]] = field(default_factory=dict)
    """{status: from when a request was due until its answer was there}."""
    failures: int = 0
    """Connections that ended without an answer."""
    _idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    @property
    def wrong(self) -> int:
        counts = sum(len(seconds) for status, seconds in self.seconds.items() if status not in (200, 429))
        return counts + self.failures

    async def run(self) -> None:
        rate, began, tasks = TIMES / RUN, time.perf_counter(), []
        for number in range(int(rate * SECONDS)):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(asyncio.ensure_future(self._ask(due)))
        await asyncio.gather(*tasks)
        for _, writer in self._idle:
            writer.close()

    async def _ask(self, due: float) -> None:
        try:
            reader, writer = self._idle.pop() if self._idle else await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(self.message.raw)
            head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)).lower()
            await reader.readexactly(int(head.partition(b"content-length:")[2].split()[0]))
        except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError):
            self.failures += 1
            return
        self.seconds.setdefault(int(head.split()[1]), []).append(time.perf_counter() - due)
        if b"connection: close" in head:
            writer.close()
        else:
            self._idle.append((reader, writer))


def overload(report: Report) -> None:
    """Three floods; before each, the same requests one after the other."""
    raw: dict[str, list[float]] = {
        name: [] for name in ("unloaded p99", "admitted p99", "refused p99", "admitted/s", "wrong")
    }
    recoveries = []
    with ours.serving(models.slow()) as server:
        report.settings["ours"] = server.settings
        with Connection(server.port) as connection:
            message = rounds(models.slow(), rounds_lasting(RUN, connection.ask))
            for _ in range(ROUNDS):
                quiet = percentile(timed(partial(connection.ask, message))(UNLOADED), 0.99)
                flood = _Flood(server.port, message)
                asyncio.run(flood.run())
                recoveries.append(_recovery(connection, message, quiet * CALM))
                raw["unloaded p99"].append(quiet * 1000)
                raw["admitted p99"].append(percentile(flood.seconds[200], 0.99) * 1000)
                raw["refused p99"].append(percentile(flood.seconds.get(429, [0.0]), 0.99) * 1000)
                raw["admitted/s"].append(len(flood.seconds[200]) / SECONDS)
                raw["wrong"].append(flood.wrong)
    ratio = over(raw["admitted p99"], raw["unloaded p99"])
    name = f"overload at {TIMES}x"
    report.add(Figure(f"{name}: admitted p99 / unloaded p99", ratio, "x", limit=3, raw=raw))
    report.add(Figure(f"{name}: recovery", recoveries, "s", limit=2))
    report.add(Figure(f"{name}: answers other than 200 and 429", raw["wrong"], "requests", limit=0))
    report.add(Figure(f"{name}: refused p99", raw["refused p99"], "ms"))
    report.add(Figure(f"{name}: admitted", raw["admitted/s"], "1/s", "more"))


def _recovery(connection: Connection, message: Message, calm: float) -> float:
    """Seconds after the last due request until answers are as quick as before."""
    ended, streak, since = time.perf_counter(), 0, 0.0
    while streak < IN_A_ROW:
        began = time.perf_counter()
        try:
            quick = seconds_of(partial(connection.ask, message)) <= calm
        except RuntimeError:  # still refused
            quick = False
        since = began if quick and not streak else since
        streak = streak + 1 if quick else 0
    return since - ended
