"""Models run as this device does it best: found out once, within a budget, by a rule that a table can tell."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewise.api.names import Reason
from edgewise_runtime import engines
from edgewise_runtime.engines.base import EngineOptions, ModelLoadError, Session, TensorSpec
from edgewise_runtime.tuning import notebook as notebooks
from edgewise_runtime.tuning import trial as trials
from edgewise_runtime.tuning import tuner as tuners
from edgewise_runtime.tuning.choice import Choice, Measurement, choose
from edgewise_runtime.tuning.notebook import Notebook, Page
from edgewise_runtime.tuning.trial import Trial, measurable
from edgewise_runtime.tuning.tuner import Subject, Tuner
from tests.runtime import tinyonnx
from tests.runtime.sessions import Gated


def took(threads: int, workers: int, rows: int, ms: float, cpu: float | None = None) -> Measurement:
    """`ms`: of a run; `cpu`: CPU milliseconds of it, by default as many as one busy thread has."""
    return Measurement(threads, workers, rows, ms / 1000, (ms if cpu is None else cpu) / 1000, ms / 1000)


CHOICES: dict[str, tuple[list[Measurement], dict[str, Any]]] = {
    "nothing measured": ([], {"threads": 0, "workers": 0, "batch": 1, "latency": None}),
    "one core": ([took(1, 1, 1, 10)], {"threads": 1, "workers": 0, "batch": 1, "latency": 0.010}),
    "a model quick enough for the event loop has one thread": (
        [took(2, 1, 1, 0.1), took(1, 1, 1, 0.15)],
        {"threads": 1, "workers": 0},
    ),
    "two runs at a time beat one on two threads": (
        [took(2, 1, 1, 6, 11), took(1, 1, 1, 10), took(1, 2, 1, 10)],
        {"threads": 1, "workers": 2, "latency": 0.010, "fastest": 0.006},
    ),
    "where both answer as many, the one that answers sooner": (
        [took(2, 1, 1, 5, 10), took(1, 1, 1, 10), took(1, 2, 1, 10)],
        {"threads": 2, "latency": 0.005},
    ),
    "unless it burns more CPU": (
        [took(2, 1, 1, 5, 12), took(1, 1, 1, 10), took(1, 2, 1, 10)],
        {"threads": 1, "latency": 0.010},
    ),
    "where memory is the bottleneck, one at a time is as good": (
        [took(1, 1, 1, 10), took(1, 2, 1, 19.8)],
        {"threads": 1, "workers": 1},
    ),
    "a batch that gains": (
        [took(1, 1, 1, 10), took(1, 2, 1, 10), took(1, 2, 4, 20), took(1, 2, 8, 36)],
        {"batch": 8, "gain": 80 / 36, "wait": pytest.approx(0.0055)},
    ),
    "of batches that gain about the same the smallest": (
        [took(1, 1, 1, 10), took(1, 1, 4, 20), took(1, 1, 8, 39)],
        {"batch": 4, "gain": 2.0},
    ),
    "a batch that gains too little": ([took(1, 1, 1, 10), took(1, 1, 4, 37)], {"batch": 1, "wait": 0.0, "gain": 1.0}),
    "a batch that gains, but takes too long": ([took(1, 1, 1, 10), took(1, 1, 16, 85)], {"batch": 1}),
    "a wait that no clock can measure is none": ([took(1, 1, 1, 0.6), took(1, 1, 4, 0.8)], {"batch": 4, "wait": 0.0}),
    "batches decide between numbers of threads, too": (
        [took(2, 1, 1, 6, 12), took(2, 1, 8, 12), took(1, 1, 1, 10), took(1, 2, 1, 10), took(1, 2, 8, 40)],
        {"threads": 2, "batch": 8},
    ),
}


@pytest.mark.parametrize(("measured", "expected"), CHOICES.values(), ids=CHOICES)
def test_the_rule(measured: list[Measurement], expected: dict[str, Any]) -> None:
    choice = choose(measured)
    assert {name: getattr(choice, name) for name in expected} == expected


TWO_THREADS_ARE_QUICKER = [took(2, 1, 1, 6, 11), took(1, 1, 1, 10), took(1, 2, 1, 10)]


@pytest.mark.parametrize(
    ("limit", "threads"),
    [
        pytest.param(0.020, 1, id="both are quick enough"),
        pytest.param(0.008, 2, id="only two threads are"),
        pytest.param(0.001, 2, id="none is: the quickest"),
    ],
)
def test_a_latency_that_was_asked_for_comes_first(limit: float, threads: int) -> None:
    assert choose(TWO_THREADS_ARE_QUICKER, max_latency=limit).threads == threads


def opened(path: Path, threads: int = 1) -> Session:
    return engines.load(path, "ONNX", EngineOptions(threads=threads))


def soon(seconds: float = 30.0) -> float:
    return time.monotonic() + seconds


ROWS = {
    "rows that do not know of each other": ("linear", True),
    "rows that share a mean": ("centred", False),
    "rows that are summed up": ("summed", False),
    "a first dimension that is fixed": ("subtract", False),
}


@pytest.mark.parametrize(("kind", "independent"), ROWS.values(), ids=ROWS)
def test_only_rows_that_do_not_know_of_each_other_may_be_gathered(tmp_path: Path, kind: str, independent: bool) -> None:
    paths = {
        "linear": partial(tinyonnx.linear, tmp_path, np.eye(4, 3)),
        "centred": partial(tinyonnx.centred, tmp_path),
        "summed": partial(tinyonnx.summed, tmp_path),
        "subtract": partial(tinyonnx.subtract, tmp_path),
    }
    session = opened(paths[kind]())
    assert Trial(session, 1, soon()).rows_independent() is independent
    session.close()


SHAPES = {
    "a fixed shape": (TensorSpec("x", "FP32", (1, 3, 8, 8)), True),
    "any number of rows": (TensorSpec("x", "FP32", (-1, 8)), True),
    "pictures of any size": (TensorSpec("x", "FP32", (-1, 3, -1, -1)), False),
    "text": (TensorSpec("x", "BYTES", (1,)), False),
}


@pytest.mark.parametrize(("spec", "expected"), SHAPES.values(), ids=SHAPES)
def test_made_up_input_says_something_where_its_size_is_known(spec: TensorSpec, expected: bool) -> None:
    session = Gated()
    session.inputs = (spec,)
    assert measurable(session) is expected


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


def test_a_model_is_tried_with_one_thread_and_with_all_and_measured(loads: Loads) -> None:
    session, choice = Tuner().open(loads, SUBJECT)
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
    first, choice = Tuner(Notebook(tmp_path)).open(loads, SUBJECT)
    first.close()
    loads.threads.clear()
    again, same = Tuner(Notebook(tmp_path)).open(loads, SUBJECT)
    assert same == choice
    assert loads.threads == [choice.threads]
    again.close()


OTHERS = {
    "another model": Subject("other ONNX", EngineOptions()),
    "another option": Subject("sha256 ONNX", EngineOptions(options={"session.x": "1"})),
    "another wish": Subject("sha256 ONNX", EngineOptions(), max_latency=0.005),
}


@pytest.mark.parametrize("subject", OTHERS.values(), ids=OTHERS)
def test_what_was_found_out_of_one_is_not_believed_of(subject: Subject, tmp_path: Path) -> None:
    Notebook(tmp_path).write(SUBJECT.name, Page(provider="CPUExecutionProvider", choice=Choice(threads=1)))
    assert Notebook(tmp_path).read(subject.name) is None


@pytest.mark.parametrize("name", ["__version__", "hardware"])
def test_what_was_found_out_elsewhere_is_not_believed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Notebook(tmp_path).write(SUBJECT.name, Page(provider="CPUExecutionProvider", choice=Choice(threads=1)))
    monkeypatch.setattr(notebooks, name, (lambda: "another board") if name == "hardware" else "9.9.9")
    assert Notebook(tmp_path).read(SUBJECT.name) is None


def test_an_accelerator_that_has_gone_makes_it_another_device(loads: Loads, tmp_path: Path) -> None:
    Notebook(tmp_path).write(SUBJECT.name, Page(provider="CUDAExecutionProvider", choice=Choice(threads=2, batch=32)))
    session, choice = Tuner(Notebook(tmp_path)).open(loads, SUBJECT)
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
    session, choice = Tuner(Notebook(tmp_path)).open(loads, SUBJECT)
    assert choice.latency is not None
    session.close()


def test_a_cache_that_cannot_be_written_is_no_reason_not_to_serve(loads: Loads, tmp_path: Path) -> None:
    (tmp_path / "tuning").write_text("a file where the folder should be")
    session, choice = Tuner(Notebook(tmp_path)).open(loads, SUBJECT)
    assert choice.latency is not None
    session.close()


def test_the_notebook_does_not_grow_for_ever(tmp_path: Path) -> None:
    book = Notebook(tmp_path)
    for number in range(70):
        book.write(f"model {number}", Page(provider="CPU", choice=Choice()))
    assert len(list((tmp_path / "tuning").glob("*.json"))) == 64
    assert book.read("model 69") is not None


def test_without_time_nothing_is_tried(loads: Loads) -> None:
    session, choice = Tuner(budget=0.0).open(loads, SUBJECT)
    assert choice == Choice()
    assert loads.threads == [2]
    session.close()


def test_a_person_who_sets_the_threads_gets_them(loads: Loads) -> None:
    session, choice = Tuner().open(loads, Subject("sha256 ONNX", EngineOptions(threads=2)))
    assert set(loads.threads) == {2}
    assert choice.threads == 2
    session.close()


def test_a_model_of_any_size_runs_by_the_defaults(tmp_path: Path) -> None:
    loads = Loads(tinyonnx.echo(tmp_path, "FP32", ["n", "height"]))
    session, choice = Tuner(Notebook(tmp_path)).open(loads, SUBJECT)
    assert choice == Choice()
    assert len(loads.threads) == 1
    assert not (tmp_path / "tuning").exists()
    session.close()


def test_a_quick_model_has_one_thread_and_a_loop(tmp_path: Path) -> None:
    loads = Loads(tinyonnx.linear(tmp_path, np.eye(4, 3)))
    session, choice = Tuner().open(loads, SUBJECT)
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

    session, choice = Tuner().open(lambda _: Broken(), SUBJECT)
    assert isinstance(session, Broken)
    assert choice == Choice()


def test_a_second_load_that_fails_leaves_the_first_way_to_run(loads: Loads) -> None:
    def load(options: EngineOptions) -> Session:
        if options.threads == 1:
            raise ModelLoadError(Reason.LOAD_FAILED, "no memory left")
        return loads(options)

    session, choice = Tuner().open(load, SUBJECT)
    assert choice.threads == 2
    assert session is loads.sessions[-1]
    session.close()


def test_what_was_measured_before_a_failure_counts(loads: Loads) -> None:
    class Small(Gated):
        """Has no memory for more than one row."""

        def run(self, feeds: Any, outputs: Any) -> Any:
            if len(feeds["x"]) > 1:
                raise MemoryError("no memory for so much")
            time.sleep(0.002)
            return super().run(feeds, outputs)

    small = Small()
    small.gate.set()
    _, choice = Tuner().open(lambda _: small, SUBJECT)
    assert choice.latency is not None
    assert choice.batch == 1


def test_a_slow_model_is_not_tried_for_longer_than_the_budget_and_a_run(loads: Loads) -> None:
    class Slow(Gated):
        """Takes its time; the clock of this test is the number of its runs."""

        inputs = (TensorSpec("x", "FP32", (1,)),)

        def run(self, *arguments: Any) -> Any:
            time.sleep(0.2)
            return super().run(*arguments)

    slow = Slow()
    slow.gate.set()
    _, choice = Tuner(budget=0.1).open(lambda _: slow, SUBJECT)
    assert len(slow.asked) == 1
    assert choice.latency == pytest.approx(0.2, rel=0.5)
