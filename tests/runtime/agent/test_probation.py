"""A release that loads, and then fails on what clients send: the device returns by itself, once, and says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from edgewise.contract.plan import Plan
from edgewise.contract.report import ModelReport, Report
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.plans import Plans
from edgewise_runtime.agent.probation import PROBATION, Probation, keeps_failing, served_well
from edgewise_runtime.models import Models
from edgewise_runtime.tallies import AMONG, FAILURES
from tests.runtime.agent.devices import mount
from tests.runtime.agent.documents import plan, release, source
from tests.runtime.agent.fileserver import FileServer, file_server
from tests.runtime.agent.operators import Operator, operator
from tests.runtime.agent.pods import Pod, pod
from tests.runtime.agent.tinymodels import brittle, scaling
from tests.runtime.agent.waiting import until
from tests.runtime.tallied import ask, tallied

GOOD, BETTER = scaling(1), scaling(3)


@pytest.fixture
async def boss(tmp_path: Path) -> AsyncIterator[Operator]:
    async with operator(tmp_path) as running:
        yield running


@pytest.fixture
async def files() -> AsyncIterator[FileServer]:
    async with file_server() as server:
        yield server


def planned(boss: Operator, files: FileServer, sequence: int, contents: dict[str, bytes], retry: str = "") -> Plan:
    """Whose target is the last of `contents`; r1 is stable."""
    releases = [
        release(name, {"digits": source(files.add(f"/{name}", content), content)}) for name, content in contents.items()
    ]
    return plan(sequence, *releases, stable="r1", retry=retry, reporting=boss.reporting())


class Load:
    """Clients that ask all the time and remember what they were told."""

    def __init__(self, edge: Pod) -> None:
        self.answers: list[tuple[int, float | None]] = []
        self.before: list[int] = []
        """Of each answer: how many others had come when it was asked for."""
        self._edge = edge

    async def __aenter__(self) -> Load:
        self._done = asyncio.Event()
        self._http = aiohttp.ClientSession()
        self._clients = [asyncio.ensure_future(self._ask()) for _ in range(4)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._done.set()
        await asyncio.gather(*self._clients)
        await self._http.close()

    async def _ask(self) -> None:
        while not self._done.is_set():
            before = len(self.answers)
            self.answers.append(await self._edge.ask(self._http))
            self.before.append(before)

    async def more(self, answers: int, what: tuple[int, float | None]) -> None:
        """So many, from now on."""
        before = self.answers.count(what)
        await until(lambda: self.answers.count(what) >= before + answers, f"{answers} answers of {what}")

    def amid(self, what: tuple[int, float | None]) -> list[tuple[int, float | None]]:
        """Other answers, asked for after the first of `what` had come, and there before the last of them was asked for.

        Requests that were under way at a switch may get either, however long they take.
        """
        places = [place for place, answer in enumerate(self.answers) if answer == what]
        first, last = places[0], max(self.before[place] for place in places)
        return [
            answer
            for place, answer in enumerate(self.answers)
            if answer != what and self.before[place] > first and place < last
        ]


def state(boss: Operator) -> ModelReport:
    return boss.reports[-1].models[0]


async def told_all(boss: Operator, edge: Pod) -> Report:
    """A report of now: one made at a switch misses the requests that end after it."""
    before = len(boss.reports)
    async with aiohttp.ClientSession() as http:
        await edge.poke(http)
    await until(lambda: len(boss.reports) > before, "a report comes")
    return boss.reports[-1]


async def test_a_release_that_keeps_failing_is_given_back_once_and_for_all(
    boss: Operator, files: FileServer, tmp_path: Path
) -> None:
    contents = {"r1": GOOD, "r2": brittle()}
    mount(tmp_path / "plan", planned(boss, files, 1, {"r1": GOOD}))
    async with pod(tmp_path) as edge:
        await until(lambda: boss.reports and boss.reports[-1].serving == "r1", "r1 is reported as served")
        async with Load(edge) as load:
            await load.more(2 * AMONG, (200, 1.0))
            mount(tmp_path / "plan", planned(boss, files, 2, contents))
            await until(lambda: state(boss).reason == "KeepsFailing", "the device says that it went back")
            await load.more(100, (200, 1.0))
        told = await told_all(boss, edge)
        assert (told.serving, told.release, state(boss).state) == ("r1", "r2", "Failed")
        assert "5 of 10 requests in a row failed, and r1 served well before: digits" in state(boss).message
        failed = [answer for answer in load.answers if answer != (200, 1.0)]
        assert set(failed) == {(500, None)}
        assert load.amid((500, None)) == []  # it went there once, and came back once
        counted = told.counters["r2"]
        assert counted.requests == counted.failures == len(failed)
        await edge.stop()
    async with pod(tmp_path) as edge:
        async with Load(edge) as load:
            await until(lambda: boss.reports[-1].boot != told.boot and state(boss).state == "Failed", "it remembers")
            await load.more(20, (200, 1.0))
            assert (boss.reports[-1].serving, state(boss).reason) == ("r1", "KeepsFailing")
            assert boss.reports[-1].counters["r2"] == counted
        assert {status for status, _ in load.answers} <= {200, 503}
        async with Load(edge) as load:
            mount(tmp_path / "plan", planned(boss, files, 3, contents, retry="r2"))
            await until(lambda: boss.reports[-1].counters["r2"].again, "it is tried again")
            await until(lambda: state(boss).state == "Failed", "it fails again")
            await load.more(20, (200, 1.0))
        assert (await told_all(boss, edge)).counters["r2"].requests == load.answers.count((500, None)) >= FAILURES
        async with Load(edge) as load:
            mount(tmp_path / "plan", planned(boss, files, 4, {"r1": GOOD, "r3": BETTER}))
            await load.more(100, (200, 3.0))
        await edge.stop()


@pytest.mark.parametrize(
    ("new", "old", "failing"),
    [
        ("xxxxx", "." * 10, True),
        ("." * 500 + "x.x.x.x.x", "." * 10, True),
        ("xxxx", "." * 10, False),
        ("x..x..x..x..x", "." * 10, False),
        ("xxxxx", "." * 9, False),
        ("xxxxx", "", False),
        ("xxxxx", "xxxxx" + "." * 300, False),
        ("xxxxx", "xxxxx" + "." * 10_000, True),
        ("xxxxx", ("x" + "." * 30) * 10, False),
        ("xxxxx", ("x" + "." * 60) * 10, True),
    ],
    ids=[
        "failing from the first request on",
        "failing after a while",
        "not yet often enough",
        "a third fails",
        "the one before was hardly asked",
        "the one before was not asked",
        "the one before had its spell",
        "that was long ago",
        "the one before failed now and then, too",
        "but seldom",
    ],
)
def test_whether_a_release_keeps_failing(new: str, old: str, failing: bool) -> None:
    assert keeps_failing(tallied(new), tallied(old)) is failing


def test_a_release_that_failed_has_not_served_well() -> None:
    assert not served_well(tallied("xxxxx" + "." * AMONG))


class Watched:
    """Probation without the rest of the agent: who is told, and how often."""

    def __init__(self, root: Path) -> None:
        self.plans = Plans(root / "cache", root / "plan")
        self.models = Models()
        self.told: list[Failure] = []
        self.probation = Probation(self.plans, self.models, self.told.append)

    def serve(self, name: str, course: str) -> None:
        """x: the engine failed, anything else: it answered."""
        self.models.replace({}, name)
        self.ask(name, course)

    def ask(self, name: str, course: str) -> None:
        tallies = self.models.tallies
        ask(tallies.of(name), course)
        if "x" in course and tallies.on_failure is not None:
            tallies.on_failure()

    async def heard(self) -> int:
        """How often it was told to go back, once all was looked at."""
        task = asyncio.ensure_future(self.probation.run())
        for _ in range(10):
            await asyncio.sleep(0)
        task.cancel()
        return len(self.told)


async def test_going_back_is_asked_for_once(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.serve("r1", "." * 20)
    watched.serve("r2", "xxxxx")
    assert await watched.heard() == 1
    watched.ask("r2", "xxxxx")
    assert await watched.heard() == 1
    assert (watched.told[0].reason, "it broke" in watched.told[0].message) == ("KeepsFailing", True)


async def test_clients_that_send_nonsense_to_every_release_send_no_device_back(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.serve("r1", "xx." * 50)
    watched.serve("r2", "xx." * 50)
    assert await watched.heard() == 0


async def test_what_was_gone_back_to_is_not_given_back_to_what_failed(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.serve("r1", "." * 20)
    watched.serve("r2", "xxxxx")
    assert await watched.heard() == 1
    watched.serve("r1", "x" * FAILURES * 10)
    assert await watched.heard() == 1


@pytest.mark.parametrize(("stable", "times"), [("r2", 0), ("r1", 1)], ids=["promoted long ago", "still in a rollout"])
async def test_a_release_that_has_proved_itself_is_kept_unless_its_rollout_is_still_on(
    stable: str, times: int, tmp_path: Path
) -> None:
    watched = Watched(tmp_path)
    releases = [release(name, {"digits": source("https://files/1", b"1")}) for name in ("r1", "r2")]
    mount(tmp_path / "plan", plan(1, *releases, stable=stable))
    await watched.plans.poll()
    watched.serve("r1", "." * 20)
    watched.serve("r2", "." * PROBATION + "xxxxx")
    assert await watched.heard() == times
