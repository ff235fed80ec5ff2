"""From a hard request to the sink, over everything that lies between: dead links, lost answers, bad sinks, restarts."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from edgewise_runtime.metrics import Metrics
from edgewise_runtime.spool import line, sending
from edgewise_runtime.spool import spool as spools
from edgewise_runtime.spool.sink import Way
from edgewise_runtime.spool.spool import Home, Spool
from tests.cluster.ports import free_port
from tests.runtime.agent.waiting import until
from tests.runtime.spool.collector import Collector, collecting
from tests.runtime.spool.examples import ORIGIN, example, files, on_disk, packed, wanted


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "FIRST_SECONDS", 0.01)
    monkeypatch.setattr(sending, "LONGEST_SECONDS", 0.05)
    monkeypatch.setattr(spools, "REST_CPU", 0)
    monkeypatch.setattr(spools, "REST_FULL", 0)


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with collecting() as running:
        yield running


class Opened:
    """A spool of a test, and what it counts."""

    def __init__(self, folder: Path, **plan: Any) -> None:
        self.metrics = Metrics()
        self.spool = Spool(wanted(**plan), Home(folder, ORIGIN, Way(folder)), self.metrics)

    def dropped(self, reason: str) -> float:
        return self.metrics.spool_dropped.labels(reason).value

    def sent(self, result: str) -> float:
        return self.metrics.spool_sent.labels(result).value

    async def settled(self) -> None:
        """All that was offered is on disk, or counted."""
        await until(lambda: not self.spool.waiting, "the spool's queue is empty")


@contextlib.asynccontextmanager
async def opened(folder: Path, *, sends: bool = True, **plan: Any) -> AsyncIterator[Opened]:
    """Open until the block ends; `sends`: it does so from the start."""
    made = Opened(folder, **plan)
    await made.spool.open()
    sending = asyncio.ensure_future(made.spool.run()) if sends else None
    try:
        yield made
    finally:
        if sending is not None:
            sending.cancel()
            await asyncio.wait({sending})
        await made.spool.close()


async def test_a_hard_request_reaches_the_sink_and_leaves_the_device(tmp_path: Path, collector: Collector) -> None:
    async with opened(tmp_path, sink=collector.url) as device:
        device.spool.offer(example())
        await until(lambda: collector.examples and not files(tmp_path), "it was sent")
        assert (device.sent("sent"), device.spool.examples, device.spool.held, device.spool.age) == (1, 0, 0, 0)


async def test_without_a_sink_it_stays(tmp_path: Path) -> None:
    async with opened(tmp_path) as device:
        device.spool.offer(example())
        await device.settled()
        assert (device.spool.examples, device.spool.held, len(files(tmp_path))) == (1, 4096, 1)


async def test_a_dead_link_costs_nothing_and_everything_is_sent_when_it_is_back(tmp_path: Path) -> None:
    port = free_port()
    async with opened(tmp_path, sink=f"http://127.0.0.1:{port}/hard") as device:
        for seed in range(5):
            device.spool.offer(example(seed=seed))
        await until(lambda: device.sent("failed") >= 3 and device.spool.examples == 5, "it was tried in vain")
        async with collecting(port=port) as after:
            await until(lambda: len(after.examples) == 5 and not files(tmp_path), "all five have arrived")
            assert set(after.new.values()) == {1}
            assert device.sent("sent") == 5


async def test_an_answer_that_is_lost_makes_no_second_example(tmp_path: Path, collector: Collector) -> None:
    collector.forgetful = True
    async with opened(tmp_path, sink=collector.url) as device:
        device.spool.offer(example())
        await until(lambda: device.sent("known"), "it was sent again")
        await until(lambda: not files(tmp_path), "it was forgotten")
        assert list(collector.new.values()) == [1]
        assert next(iter(collector.asked.values())) >= 2


async def test_the_least_sure_arrive_first(tmp_path: Path, collector: Collector) -> None:
    async with opened(tmp_path, sends=False) as device:
        for seed, confidence in enumerate([0.7, 0.1, None, 0.4]):
            device.spool.offer(example(confidence, seed=seed))
        await device.settled()
    names = [path.name for path in sorted(files(tmp_path), key=lambda path: float(path.name.split("_")[1]))]
    async with opened(tmp_path, sink=collector.url):
        await until(lambda: len(collector.examples) == 4, "all have arrived")
    assert [name.rsplit("_", 1)[1] for name in names] == list(collector.examples)


async def test_a_process_that_ends_leaves_everything_to_the_next(tmp_path: Path, collector: Collector) -> None:
    async with opened(tmp_path, sends=False) as first:
        for seed in range(3):
            first.spool.offer(example(seed=seed))
    assert len(files(tmp_path)) == 3
    async with opened(tmp_path, sink=collector.url) as second:
        await until(lambda: len(collector.examples) == 3, "all have arrived")
        await until(lambda: second.spool.examples == 0, "all were forgotten")


async def test_an_example_that_the_sink_chokes_on_holds_up_no_other(tmp_path: Path, collector: Collector) -> None:
    async with opened(tmp_path, sends=False) as device:
        device.spool.offer(example(0.0))
    collector.refused = {files(tmp_path)[0].read_bytes()}
    async with opened(tmp_path, sink=collector.url) as device:
        for seed in range(1, 4):
            device.spool.offer(example(0.5, seed=seed))
        await until(lambda: len(collector.examples) == 3 and device.sent("failed") >= 3, "the others have arrived")
        assert device.spool.examples == 1
        collector.refused = set()
        await until(lambda: device.spool.examples == 0, "the sink has changed its mind")


async def test_an_example_that_the_sink_will_never_take_is_dropped(tmp_path: Path, collector: Collector) -> None:
    collector.answers = [413]
    async with opened(tmp_path, sink=collector.url) as device:
        device.spool.offer(example(seed=1))
        await until(lambda: device.sent("unwanted"), "it was refused")
        await until(lambda: not files(tmp_path), "it was dropped")
        assert (device.dropped("unwanted"), collector.examples) == (1, {})


async def test_a_wrong_answer_loses_nothing_however_often_it_comes(tmp_path: Path, collector: Collector) -> None:
    collector.answers = [401, 403, 404, 400, 500, 503, 302, 429]
    async with opened(tmp_path, sink=collector.url) as device:
        device.spool.offer(example())
        await until(lambda: collector.examples, "it has arrived")
        assert device.sent("failed") == 8


async def test_a_disk_that_hangs_costs_examples_not_memory_nor_time(tmp_path: Path) -> None:
    hangs = threading.Event()
    async with opened(tmp_path) as device:
        device.spool._thread.submit(hangs.wait)
        for seed in range(line.MOST_WAITING + 11):
            device.spool.offer(example(seed=seed))
        assert (device.dropped("busy"), device.spool.waiting) == (10, line.MOST_WAITING + 1)
        hangs.set()
        await device.settled()
        assert device.spool.examples == line.MOST_WAITING + 1


async def test_the_surest_of_a_flood_are_not_kept(tmp_path: Path) -> None:
    hangs = threading.Event()
    async with opened(tmp_path) as device:
        device.spool._thread.submit(hangs.wait)
        for seed in range(4 * line.MOST_WAITING):
            device.spool.offer(example(confidence=seed % 3 / 3, seed=seed))
        hangs.set()
        await device.settled()
        assert {path.name.split("_")[1] for path in files(tmp_path)} == {"0"}


def waiting() -> None:
    time.sleep(0.01)


def computing() -> None:
    begun = time.thread_time()
    while time.thread_time() - begun < 0.002:
        pass


@pytest.mark.parametrize(
    ("work", "clock", "share"), [(waiting, time.monotonic, 5), (computing, time.thread_time, 100)],
    ids=["the disk", "a core"],
)  # fmt: skip
async def test_a_flood_gets_a_small_share_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: Callable[[], None], clock: Callable[[], float], share: int
) -> None:
    monkeypatch.undo()
    spent = list[float]()

    def slow(*_: object) -> bytes:
        begun = clock()
        work()
        spent.append(clock() - begun)
        return packed(seed=len(spent))

    monkeypatch.setattr(spools, "encode", slow)
    begun = time.monotonic()
    async with opened(tmp_path) as device:
        for seed in range(6):
            device.spool.offer(example(seed=seed))
        await until(lambda: len(spent) == 4, "four are kept")
        assert sum(spent[:3]) <= (time.monotonic() - begun) / share


async def test_a_bug_in_one_example_keeps_no_other_from_being_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    contents = iter([None, packed()])
    monkeypatch.setattr(spools, "encode", lambda *_: next(contents))
    async with opened(tmp_path) as device:
        device.spool.offer(example())
        device.spool.offer(example())
        await device.settled()
        await until(lambda: device.dropped("error"), "the bug is counted")
        assert device.spool.examples == 1
    assert "an example could not be kept" in caplog.text


async def test_closing_waits_for_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "REST_DISK", 10**6)
    async with opened(tmp_path) as device:
        for seed in range(5):
            device.spool.offer(example(seed=seed))
    assert len(files(tmp_path)) == 5


async def test_tensors_that_wait_for_the_disk_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "MOST_BYTES", 10_000)
    hangs = threading.Event()
    async with opened(tmp_path) as device:
        device.spool._thread.submit(hangs.wait)
        for seed in range(4):
            device.spool.offer(example(size=1000, seed=seed))
        device.spool.offer(example(size=3000))
        hangs.set()
        await device.settled()
        assert (device.spool.examples, device.dropped("busy"), device.dropped("large")) == (3, 1, 1)


async def test_a_disk_that_does_not_take_it_is_counted_and_nothing_else_happens(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file where the folder should be")
    made = Opened(tmp_path / "spool")
    await made.spool.open()
    made.spool.offer(example())
    await made.settled()
    await made.spool.close()
    assert (made.dropped("disk"), made.spool.examples) == (1, 0)


async def test_what_is_too_old_goes_without_a_sink_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "LOOK_SECONDS", 0.01)
    async with opened(tmp_path, max_age_seconds=0.05) as device:
        device.spool.offer(example())
        await until(lambda: device.dropped("age"), "it is too old")
        assert files(tmp_path) == []


async def test_the_limit_of_the_plan_holds(tmp_path: Path) -> None:
    async with opened(tmp_path, max_bytes=3 * 4096) as device:
        for seed in range(10):
            device.spool.offer(example(0.9 - seed / 100, seed=seed))
        await device.settled()
        assert (on_disk(tmp_path), device.spool.examples, device.dropped("full")) == (3 * 4096, 3, 7)


async def test_the_bandwidth_of_the_plan_holds(tmp_path: Path, collector: Collector) -> None:
    begun = time.monotonic()
    async with opened(tmp_path, sink=collector.url, bandwidth=20_000) as device:
        for seed in range(4):
            device.spool.offer(example(size=2500, seed=seed))
        await until(lambda: len(collector.examples) == 4, "all have arrived")
    carried = sum(map(len, collector.examples.values()))
    assert carried > 30_000
    assert time.monotonic() - begun >= carried / 20_000 - 1.0  # a second's worth may go at once
