"""A model is opened the way it runs best on this device: found out once, within a budget, and remembered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewise.api.names import Reason
from edgewise_runtime import engines
from edgewise_runtime.engines.base import EngineOptions, ModelLoadError, Session, TensorSpec
from edgewise_runtime.tuning import trial as trials
from edgewise_runtime.tuning import tuner as tuners
from edgewise_runtime.tuning.choice import Choice
from edgewise_runtime.tuning.notebook import Notebook, Page
from edgewise_runtime.tuning.tuner import Subject, Tuner
from tests.runtime import tinyonnx
from tests.runtime.sessions import Gated


class Loads:
    """Counts what is loaded, and how."""

    def __init__(self, path: Path) -> None:
        self.threads: list[int] = []
        self.sessions: list[Session] = []
        self._path = path

    def __call__(self, options: EngineOptions) -> Session:
        self.threads.append(options.threads)
        session = engines.load(self._path, "ONNX", options)
        self.sessions.append(session)
        return session


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 MiB of weights: a run takes a few milliseconds."""
    return tinyonnx.dense(tmp_path_factory.mktemp("dense"))


@pytest.fixture
def loads(dense: Path, monkeypatch: pytest.MonkeyPatch) -> Loads:
    """Of a model large enough to be tried in full, on a device with two cores, in less time than there would be."""
    monkeypatch.setattr(trials, "SLICE", 0.02)
    monkeypatch.setattr(tuners, "usable_cores", lambda: 2)
    return Loads(dense)


SUBJECT = Subject("sha256 ONNX", EngineOptions())
PLENTY = 60.0  # seconds: a machine that is slow today finds out what it has to all the same


def tuner(cache: Path | None = None) -> Tuner:
    return Tuner(Notebook(cache) if cache is not None else None, PLENTY)


def test_a_model_is_tried_with_one_thread_and_with_all_and_measured(loads: Loads) -> None:
    session, choice = tuner().open(loads, SUBJECT)
    assert loads.threads[:2] == [2, 1]
    assert choice.threads in (1, 2)
    assert choice.latency is not None
    assert choice.throughput is not None
    assert choice.fastest is not None
    assert choice.latency >= choice.fastest > 0
    assert choice.size == 2048 * 4
    assert session.run({"x": np.ones((1, 2048), np.float32)}, ["y"])[0].shape == (1, 2048)
    session.close()


def test_what_was_found_out_is_not_measured_again(loads: Loads, tmp_path: Path) -> None:
    first, choice = tuner(tmp_path).open(loads, SUBJECT)
    first.close()
    loads.threads.clear()
    again, same = tuner(tmp_path).open(loads, SUBJECT)
    assert same == choice
    assert loads.threads == [choice.threads]
    again.close()


def test_an_accelerator_that_has_gone_makes_it_another_device(loads: Loads, tmp_path: Path) -> None:
    Notebook(tmp_path).write(SUBJECT.name, Page(provider="CUDAExecutionProvider", choice=Choice(threads=2, batch=32)))
    session, choice = tuner(tmp_path).open(loads, SUBJECT)
    assert session.provider == "CPUExecutionProvider"
    assert choice.latency is not None
    page = Notebook(tmp_path).read(SUBJECT.name)
    assert page is not None
    assert page.provider == "CPUExecutionProvider"
    session.close()


@pytest.mark.parametrize("content", [b"", b"{", b'{"provider": 1}', b"\xff\xfe"])
def test_a_page_that_a_power_cut_spoilt_is_measured_anew(content: bytes, loads: Loads, tmp_path: Path) -> None:
    Notebook(tmp_path).write(SUBJECT.name, Page(provider="CPUExecutionProvider", choice=Choice(threads=1)))
    (page,) = (tmp_path / "tuning").glob("*.json")
    page.write_bytes(content)
    session, choice = tuner(tmp_path).open(loads, SUBJECT)
    assert choice.latency is not None
    session.close()


def test_a_cache_that_cannot_be_written_is_no_reason_not_to_serve(loads: Loads, tmp_path: Path) -> None:
    (tmp_path / "tuning").write_text("a file where the folder should be")
    session, choice = tuner(tmp_path).open(loads, SUBJECT)
    assert choice.latency is not None
    session.close()


def test_without_time_nothing_is_tried(loads: Loads) -> None:
    session, choice = Tuner(budget=0.0).open(loads, SUBJECT)
    assert choice == Choice()
    assert loads.threads == [2]
    session.close()


def test_a_person_who_sets_the_threads_gets_them(loads: Loads) -> None:
    session, choice = tuner().open(loads, Subject("sha256 ONNX", EngineOptions(threads=2)))
    assert set(loads.threads) == {2}
    assert choice.threads == 2
    session.close()


def test_a_model_of_any_size_runs_by_the_defaults(tmp_path: Path) -> None:
    loads = Loads(tinyonnx.echo(tmp_path, "FP32", ["n", "height"]))
    session, choice = tuner(tmp_path).open(loads, SUBJECT)
    assert choice == Choice()
    assert len(loads.threads) == 1
    assert not (tmp_path / "tuning").exists()
    session.close()


def test_a_quick_model_has_one_thread_and_a_loop(tmp_path: Path) -> None:
    loads = Loads(tinyonnx.linear(tmp_path, np.eye(4, 3)))
    session, choice = tuner().open(loads, SUBJECT)
    assert (choice.threads, choice.workers, choice.batch) == (1, 0, 1)
    session.close()


def test_a_model_that_cannot_be_tried_is_served_all_the_same(loads: Loads) -> None:
    class Broken:
        """Loads, and fails on whatever it is asked."""

        provider, platform, lost, outputs = "CPUExecutionProvider", "test", "", ()
        inputs = (TensorSpec("x", "FP32", (1,)),)

        def run(self, *_: Any) -> Any:
            raise RuntimeError("no")

        def close(self) -> None:
            """Nothing to give back."""

    session, choice = tuner().open(lambda _: Broken(), SUBJECT)
    assert isinstance(session, Broken)
    assert choice == Choice()


def test_a_second_load_that_fails_leaves_the_first_way_to_run(loads: Loads) -> None:
    def load(options: EngineOptions) -> Session:
        if options.threads == 1:
            raise ModelLoadError(Reason.LOAD_FAILED, "no memory left")
        return loads(options)

    session, choice = tuner().open(load, SUBJECT)
    assert choice.threads == 2
    assert session is loads.sessions[-1]
    session.close()


class Clock:
    """Stands still but for what a session takes."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    perf_counter = process_time = monotonic


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(trials, "time", clock)
    monkeypatch.setattr(tuners, "time", clock)
    return clock


class Timed(Gated):
    """Each run takes so many seconds, and no more rows than `most`."""

    inputs = (TensorSpec("x", "FP32", (-1,)),)

    def __init__(self, clock: Clock, seconds: float, most: int = 1) -> None:
        super().__init__()
        self.gate.set()
        self._clock, self._seconds, self._most = clock, seconds, most

    def run(self, feeds: Any, outputs: Any) -> Any:
        if len(feeds["x"]) > self._most:
            raise MemoryError("no memory for so much")
        self._clock.now += self._seconds
        return super().run(feeds, outputs)


def test_what_was_measured_before_a_failure_counts(clock: Clock) -> None:
    small = Timed(clock, 0.002)
    _, choice = tuner().open(lambda _: small, SUBJECT)
    assert choice.latency == pytest.approx(0.002)
    assert choice.batch == 1


def test_a_slow_model_is_not_tried_for_longer_than_the_budget_and_a_run(clock: Clock) -> None:
    slow = Timed(clock, 0.2)
    _, choice = Tuner(budget=0.1).open(lambda _: slow, SUBJECT)
    assert len(slow.asked) == 1
    assert choice.latency == pytest.approx(0.2)
