"""How prompt health checks stay while a model computes: what a kubelet's probe meets on a busy device."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

from tests.bench.figures import Figure, Report
from tests.bench.serving import models, ours
from tests.bench.serving.clients import Connection
from tests.bench.serving.messages import HEALTH, Message, rounds
from tests.bench.serving.timing import percentile, seconds_of, timed

ROUNDS, PROBES, PAUSE = 5, 200, 0.01
RUN = 0.2  # seconds one inference takes


def health(report: Report) -> None:
    """One client sends inferences of 200 ms without a pause, another asks /v2/health/live every 10 ms; one core."""
    model = models.slow()
    with ours.serving(model) as server, Connection(server.port) as connection:
        report.settings["ours"] = server.settings
        number = rounds_lasting(RUN, connection.ask)
        busy = rounds(model, number)
        taken: list[float] = []
        with _kept_busy(server.port, busy, taken):
            p99 = [percentile(_probes(connection), 0.99) * 1000 for _ in range(ROUNDS)]
    inference = [seconds * 1000 for seconds in taken]
    raw = {"health p99": p99, "inference": inference}
    report.add(Figure("health p99 while a 200 ms inference runs", p99, "ms", limit=10, raw=raw))


def rounds_lasting(seconds: float, ask: Callable[[Message], object]) -> int:
    """What to send the slow model so that it takes `seconds` on this machine."""
    model, number = models.slow(), 50
    for _ in range(3):
        took = min(timed(partial(ask, rounds(model, number)))(5))
        number = max(1, round(number * seconds / took))
    return number


def _probes(connection: Connection) -> list[float]:
    seconds = []
    for _ in range(PROBES):
        seconds.append(seconds_of(partial(connection.ask, HEALTH)))
        time.sleep(PAUSE)
    return seconds


@contextlib.contextmanager
def _kept_busy(port: int, message: Message, taken: list[float]) -> Iterator[None]:
    """Asks without a pause until the block ends; notes how long each took."""
    done = threading.Event()

    def work() -> None:
        with Connection(port) as connection:
            while not done.is_set():
                taken.append(seconds_of(partial(connection.ask, message)))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        time.sleep(RUN)
        yield
    finally:
        done.set()
        thread.join()
