"""What evidence costs each request, and how soon a device is rid of a release that keeps failing.

Called by `make bench-ota`. The device is a process of its own; its clients ask all the while.
"""

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import aiohttp

from edgewise_runtime.ledger import Course, Ledger
from edgewise_runtime.metrics import Metrics
from edgewise_runtime.models import Models
from edgewise_runtime.statistics import Statistics
from tests.bench.figures import Figure, Report
from tests.runtime.agent.devices import mount
from tests.runtime.agent.documents import plan, release, source, then
from tests.runtime.agent.fileserver import file_server
from tests.runtime.agent.pods import pod
from tests.runtime.agent.tinymodels import brittle, scaling
from tests.runtime.agent.waiting import until

ROUNDS, TURNS, REQUESTS, RETURNS = 9, 12, 5_000, 3
CLIENTS, WELL = 4, 200


def figures(report: Report) -> None:
    _added(report)
    asyncio.run(_returned(report))


def _added(report: Report) -> None:
    """Requests of a release are tallied, those that came before the first one are not: all else is the same."""
    tallied, bare = _ledger("r1"), _ledger(None)
    rounds = [_quickest(tallied, bare) for _ in range(ROUNDS)]
    raw = {"with evidence": [one for one, _ in rounds], "without": [other for _, other in rounds]}
    added = [one - other for one, other in rounds]
    report.add(Figure("evidence: added to each request", added, "ns", "less", 300.0, statistics.median, raw))


def _quickest(*ledgers: Ledger) -> list[float]:
    """Of a few turns each: what else the machine does only ever adds."""
    turns = [[_nanoseconds(ledger) for ledger in ledgers] for _ in range(TURNS)]
    return [min(each) for each in zip(*turns, strict=True)]


def _ledger(release_: str | None) -> Ledger:
    models = Models()
    if release_ is not None:
        models.replace({}, release_)
    return Ledger(models, Metrics(), Statistics())


def _nanoseconds(ledger: Ledger) -> float:
    """CPU time of one request's way through the books."""
    began = time.thread_time_ns()
    for _ in range(REQUESTS):
        with Course(ledger) as course:
            course.model, course.version, course.confidence = "digits", "1", 0.93
    return (time.thread_time_ns() - began) / REQUESTS


async def _returned(report: Report) -> None:
    found = [await _one_return() for _ in range(RETURNS)]
    seconds, lost = [took for took, _ in found], [float(failed) for _, failed in found]
    report.add(Figure("device return, a release that keeps failing", seconds, "s", "less", 2.0, max))
    report.add(Figure("device return, a release that keeps failing: failed requests", lost, "", "less", None, max))


async def _one_return() -> tuple[float, int]:
    """Seconds from the first failed answer to the last one, and how many there were."""
    answers: list[tuple[float, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        async with file_server() as files, pod(root) as edge, aiohttp.ClientSession() as http:
            contents = {"r1": scaling(1), "r2": brittle()}
            good, bad = (
                plan(1, release(name, {"digits": source(files.add(f"/{name}", content), content)}))
                for name, content in contents.items()
            )
            mount(root / "plan", good)
            await until(lambda: edge.served("r1"), "r1 serves")

            async def client() -> None:
                while True:
                    status, _ = await edge.ask(http)
                    answers.append((time.monotonic(), status))

            clients = [asyncio.ensure_future(client()) for _ in range(CLIENTS)]
            await until(lambda: len(answers) >= WELL, "r1 has served well")
            mount(root / "plan", then(good, bad))
            await until(lambda: any(status != 200 for _, status in answers), "r2 fails")
            await until(lambda: all(status == 200 for _, status in answers[-WELL:]), "r1 serves again")
            for each in clients:
                each.cancel()
            await asyncio.wait(clients)
    failed = [at for at, status in answers if status != 200]
    return failed[-1] - failed[0], len(failed)
