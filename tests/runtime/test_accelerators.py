"""An accelerator that goes away while it serves: noticed, told, served around or refused, and taken up again."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edgewise_runtime.engines import load
from edgewise_runtime.engines.base import AcceleratorLostError, Array, EngineOptions, InputRefusedError, Session
from edgewise_runtime.engines.standby import Patience, Standby
from edgewise_runtime.models import ServedModel
from tests.runtime import tinytflite
from tests.runtime.enginekinds import rows
from tests.runtime.faultydevice import FaultyDevice, library
from tests.runtime.serving import Running, numbers, running
from tests.runtime.sessions import Gated


@pytest.fixture
def device(tmp_path: Path) -> FaultyDevice:
    return FaultyDevice(tmp_path)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tinytflite.add(tmp_path, "FP32", [-1, 4])


class Opened:
    """A session on the device, and how often it said that something changed."""

    def __init__(self, model: Path, device: FaultyDevice, required: bool = False, patience: Patience | None = None):
        options = EngineOptions("LiteRT", (library(), "CPU"), device.options, required, threads=1)
        self.changes = 0
        self.open = partial(load, model, "TFLite")
        session = load(model, "TFLite", options, self._count)
        assert isinstance(session, Standby)
        self.session = session
        if patience is not None:
            session._patience = patience

    def _count(self) -> None:
        self.changes += 1

    def twice(self, count: int = 1) -> list[list[float]]:
        (result,) = self.session.run({"x": rows(count)}, ["y"])
        doubled: list[list[float]] = result.tolist()
        return doubled


@pytest.fixture
def opened(model: Path, device: FaultyDevice) -> Iterator[Opened]:
    it = Opened(model, device)
    yield it
    it.session.close()


def test_the_device_computes_and_says_so(opened: Opened, device: FaultyDevice) -> None:
    assert opened.twice() == (rows(1) * 2).tolist()
    assert (opened.session.provider, opened.session.lost, device.runs) == (library(), "", 1)


def test_the_request_that_meets_the_loss_is_answered_by_the_cpu(opened: Opened, device: FaultyDevice) -> None:
    opened.twice()
    device.pull()
    assert opened.twice(3) == (rows(3) * 2).tolist()
    assert opened.session.provider == "CPU"
    assert "does not answer any more: the device does not answer" in opened.session.lost
    assert (opened.changes, device.runs, device.open) == (1, 1, 0)


def test_many_requests_that_meet_the_loss_load_the_cpu_once(opened: Opened, device: FaultyDevice) -> None:
    device.pull()
    together = threading.Barrier(8)

    def ask(number: int) -> bool:
        together.wait()
        return bool(opened.twice(number) == (rows(number) * 2).tolist())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(1, 9)))
    assert (opened.session.provider, opened.changes) == ("CPU", 1)


def test_a_bad_request_does_not_cost_the_accelerator(opened: Opened, device: FaultyDevice) -> None:
    for wrong in (np.zeros((1, 5), np.float32), np.zeros((1, 4), np.float64)):
        with pytest.raises(InputRefusedError):
            opened.session.run({"x": wrong}, ["y"])
    assert opened.twice() == (rows(1) * 2).tolist()
    assert (opened.session.provider, opened.changes) == (library(), 0)


def test_a_failure_that_passes_does_not_cost_the_accelerator(
    opened: Opened, device: FaultyDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device is gone for one run, and back before it is asked whether it still lives."""
    device.pull()
    answers = Standby._answers

    def recovered(self: Standby, session: object) -> bool:
        device.plug()
        return answers(self, session)  # type: ignore[arg-type]

    monkeypatch.setattr(Standby, "_answers", recovered)
    with pytest.raises(Exception, match="does not answer"):
        opened.twice()
    assert opened.twice() == (rows(1) * 2).tolist()
    assert (opened.session.provider, opened.session.lost) == (library(), "")


def test_the_accelerator_is_taken_up_again_when_it_is_back(opened: Opened, device: FaultyDevice) -> None:
    device.pull()
    opened.twice()
    opened.session.retry()
    assert (opened.session.provider, opened.changes) == ("CPU", 1)
    device.plug()
    opened.session.retry()
    assert (opened.session.provider, opened.session.lost, opened.changes) == (library(), "", 2)
    before = device.runs
    assert opened.twice() == (rows(1) * 2).tolist()
    assert (device.runs, device.open) == (before + 1, 1)


def test_it_tries_by_itself_and_less_often_each_time(model: Path, device: FaultyDevice) -> None:
    opened = Opened(model, device, patience=Patience(first=0.01, longest=0.02))
    back = threading.Event()
    device.pull()
    opened.twice()
    opened.session._changed = back.set
    device.plug()
    assert back.wait(20)
    assert opened.session.provider == library()
    opened.session.close()
    assert [Patience().after(tries) for tries in (0, 1, 2, 9)] == [30, 60, 120, 900]


def test_where_the_accelerator_is_required_requests_are_refused_until_it_is_back(
    model: Path, device: FaultyDevice
) -> None:
    opened = Opened(model, device, required=True)
    device.pull()
    for _ in range(2):
        with pytest.raises(AcceleratorLostError, match="does not answer"):
            opened.twice()
    assert (opened.session.provider, device.open) == ("", 0)
    device.plug()
    opened.session.retry()
    assert opened.twice() == (rows(1) * 2).tolist()
    opened.session.close()


def test_a_build_that_only_the_accelerator_runs_is_refused_until_it_is_back(
    tmp_path: Path, device: FaultyDevice
) -> None:
    opened = Opened(tinytflite.compiled(tmp_path), device)
    assert opened.twice() == (rows(1) * 2).tolist()
    device.pull()
    with pytest.raises(
        AcceleratorLostError, match="the CPU cannot run this build: the model is compiled for an Edge TPU"
    ):
        opened.twice()
    assert opened.session.provider == ""
    device.plug()
    opened.session.retry()
    assert opened.twice() == (rows(1) * 2).tolist()
    opened.session.close()


def test_a_closed_session_lets_go_of_the_device_and_tries_no_more(model: Path, device: FaultyDevice) -> None:
    opened = Opened(model, device)
    assert device.open == 1
    opened.session.close()
    assert device.open == 0
    again = Opened(model, device)
    device.pull()
    again.twice()
    device.plug()
    again.session.close()
    again.session.retry()
    assert device.open == 0


class LetGo:
    """A lock; as soon as its next holder lets it go, something happens."""

    def __init__(self, then: Callable[[], None]) -> None:
        self._lock, self._then = threading.Lock(), [then]

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        while self._then:
            self._then.pop()()


class Counted(Gated):
    """Counts how often it is closed."""

    closed = 0

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("moment", ["while it is loaded", "as it takes over"])
def test_closed_in_the_moment_in_which_the_accelerator_is_back_each_session_is_closed_once(moment: str) -> None:
    def gone(_: object) -> list[Array]:
        raise RuntimeError("gone")

    def again(options: EngineOptions) -> Session:
        if moment == "while it is loaded" and options.providers:
            standby.close()
        return back if options.providers else cpu

    first, cpu, back = Counted(gone, "EdgeTPU"), Counted(), Counted(provider="EdgeTPU")
    standby = Standby(first, again, EngineOptions(providers=("EdgeTPU",)), lambda: None, Patience())
    for session in (first, cpu, back):
        session.gate.set()
    standby.run({"x": np.ones(1, np.float32)}, ["y"])
    if moment == "as it takes over":
        standby._counting = LetGo(standby.close)  # type: ignore[assignment]
    standby.retry()
    standby.close()
    assert [session.closed for session in (first, cpu, back)] == [1, 1, 1]


@pytest.fixture(params=[False, True], ids=["not required", "required"])
async def served(request: pytest.FixtureRequest, model: Path, device: FaultyDevice) -> AsyncIterator[Running]:
    opened = Opened(model, device, required=request.param)
    async with running(ServedModel("double", "1", "test", opened.session)) as it:
        yield it


async def test_over_http_the_cpu_answers_or_503_and_not_ready(
    served: Running, device: FaultyDevice, request: pytest.FixtureRequest
) -> None:
    required = "[required]" in request.node.name
    question = {"inputs": [numbers("x", rows(1))]}
    assert (await served.infer("double", question))[0] == 200
    device.pull()
    status, answer = await served.infer("double", question)
    assert status == (503 if required else 200), answer
    for path in ("/v2/health/ready", "/v2/models/double/ready"):
        async with served.http.get(path) as ready:
            assert ready.status == (503 if required else 200)
    assert await served.metric('edgewise_accelerator_lost{model="double",version="1"}') == 1
    device.plug()
    next(iter(served.models.current().values())).session.retry()  # type: ignore[attr-defined]
    assert (await served.infer("double", question))[0] == 200
    async with served.http.get("/v2/health/ready") as ready:
        assert ready.status == 200
    assert await served.metric('edgewise_accelerator_lost{model="double",version="1"}') == 0
