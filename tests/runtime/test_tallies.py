"""What is counted of a release: which requests, in which buckets, and over a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from edgewise.api.escalation import EscalationWhen
from edgewise.contract.histogram import CONFIDENCE, SECONDS
from edgewise_runtime.tallies import AMONG, FAILURES, RELEASES, Tallies, Tally
from tests.runtime import tinyonnx
from tests.runtime.faults import Link
from tests.runtime.helped import EASY, HARD, ask, plan, source, weak_device
from tests.runtime.serving import Running, numbers, ones, running, served
from tests.runtime.tallied import tallied


async def fail(device: Running) -> int:
    """The status of a request that picky cannot answer."""
    status, _ = await device.infer("picky", {"inputs": [numbers("x", np.ones(5, np.float32))]})
    return status


async def test_answers_and_failures_are_counted_and_what_a_client_did_wrong_is_not(tmp_path: Path) -> None:
    async with running(served(tinyonnx.picky(tmp_path)), served(tinyonnx.linear(tmp_path, np.eye(2)))) as device:
        assert (await device.infer("linear", {"inputs": [numbers("x", ones(1, 2))]}))[0] == 200
        assert (await device.infer("linear", {"inputs": [numbers("x", ones(1, 3))]}))[0] == 400
        assert (await device.infer("nobody", {"inputs": [numbers("x", ones(1, 2))]}))[0] == 404
        assert await fail(device) == 500
        tally = device.models.tallies.of("r1")
    assert (tally.requests, tally.failures, tally.escalated) == (2, 1, 0)
    assert list(tally.failed) == [2]
    assert "picky failed on this request" in tally.error
    assert {name: sum(answers.seconds) for name, answers in tally.models.items()} == {"linear": 1}
    assert 0 < tally.seconds < 60


async def test_an_answer_is_counted_by_how_sure_the_device_was_whoever_gave_it(tmp_path: Path, cloud: Link) -> None:
    async with weak_device(tmp_path) as device:
        device.server.configure(None, plan(cloud.url))
        assert source(await ask(device, EASY)) == "device"
        assert source(await ask(device, HARD)) == "target:t0"
        tally = device.models.tallies.of("r1")
    answers = tally.models["digits"]
    assert (tally.requests, tally.escalated, tally.failures) == (2, 1, 0)
    assert sum(answers.seconds) == 1
    unsure, sure = (bucket for bucket, count in enumerate(answers.confidence) if count)
    assert CONFIDENCE[unsure - 1] < 0.525 <= CONFIDENCE[unsure]
    assert CONFIDENCE[sure - 1] < 1.0
    assert (answers.confidence[unsure], answers.confidence[sure]) == (1, 1)


async def test_a_failure_that_a_target_hides_from_the_client_is_a_failure_all_the_same(
    tmp_path: Path, cloud: Link
) -> None:
    async with running(served(hopeless(tmp_path), "digits")) as device:
        device.server.configure(None, plan(cloud.url, when=EscalationWhen(unavailable=True)))
        assert source(await ask(device, HARD)) == "target:t0"
        tally = device.models.tallies.of("r1")
    assert (tally.requests, tally.failures, tally.escalated) == (1, 1, 1)
    assert list(tally.failed) == [1]


async def test_what_an_engine_refuses_is_counted_apart_and_may_be_the_models_fault(tmp_path: Path) -> None:
    async with running(served(tinyonnx.lookup(tmp_path, np.eye(2, dtype=np.float32)))) as device:
        outside = numbers("x", np.array([[7]], np.int64), "INT64")
        assert (await device.infer("lookup", {"inputs": [outside]}))[0] == 400
        tally = device.models.tallies.of("r1")
    assert (tally.requests, tally.failures, tally.refused, list(tally.failed)) == (1, 0, 1, [1])


def hopeless(folder: Path) -> Path:
    """Takes and promises what the cloud does, and fails on all of it."""
    nodes = [
        helper.make_node("Reshape", ["x", "shape"], ["impossible"]),
        helper.make_node("ReduceMax", ["impossible"], ["most"], keepdims=0),
        helper.make_node("Add", ["x", "most"], ["logits"]),
    ]
    shape = numpy_helper.from_array(np.array([7, 3], np.int64), "shape")
    inputs, outputs = ([tinyonnx.info(name, TensorProto.FLOAT, ["n", 2])] for name in ("x", "logits"))
    return tinyonnx.save(folder / "hopeless.onnx", nodes, inputs, outputs, [shape])


async def test_who_listens_hears_of_each_failure_once_it_is_counted(tmp_path: Path) -> None:
    heard = asyncio.Event()
    async with running(served(tinyonnx.picky(tmp_path))) as device:
        device.models.tallies.on_failure = heard.set
        assert await fail(device) == 500
    assert heard.is_set()


@pytest.mark.parametrize(
    ("course", "failing"),
    [
        ("xxxx", False),
        ("xxxxx", True),
        ("x.x.x.x.x", True),
        (".x.x.x.x.x", True),
        ("x..x..x..x..x", False),
        ("x" * 5 + "." * 5, True),
        ("x" * 5 + "." * 6, False),
        ("." * 100 + "x" * 5, True),
    ],
)
def test_a_spell_is_five_failures_of_ten_requests(course: str, failing: bool) -> None:
    tally = tallied(course)
    assert tally.failing(AMONG) is failing
    assert tally.requests == len(course)


def test_the_end_of_the_newest_spell_is_remembered() -> None:
    assert tallied("x" * FAILURES + "." * 50).spell == FAILURES
    assert tallied("x" * FAILURES + "." * 50 + "x" * FAILURES).spell == 60
    assert tallied("x.." * 50).spell == 0


@given(st.text("x.", max_size=60), st.text("x.", max_size=60))
def test_a_restart_changes_nothing_about_what_was_counted(before: str, after: str) -> None:
    """Whether what was kept is read before the first request or after many."""
    whole, resumed = tallied(before + after), tallied(after)
    resumed.go_on_from(tallied(before))
    assert (resumed.requests, resumed.failures, resumed.failed) == (whole.requests, whole.failures, whole.failed)
    assert resumed.failing(AMONG) == whole.failing(AMONG)


@given(st.lists(st.floats(0, 100)), st.lists(st.floats(0, 100)))
def test_histograms_go_on_over_a_restart(before: list[float], after: list[float]) -> None:
    first, second, whole = Tally(), Tally(), Tally()
    for tally, seconds in ((first, before), (second, after), (whole, before + after)):
        for each in seconds:
            tally.answers("digits").enter(each, None)
    second.go_on_from(first)
    assert second.counters().models == whole.counters().models


@given(st.floats(0, 1e6))
def test_a_bucket_holds_what_is_at_most_its_bound(seconds: float) -> None:
    tally = Tally()
    tally.answers("digits").enter(seconds, None)
    bucket = tally.answers("digits").seconds.index(1)
    assert bucket == len(SECONDS) or seconds <= SECONDS[bucket]
    assert bucket == 0 or seconds > SECONDS[bucket - 1]


def test_only_the_newest_releases_are_counted_and_the_one_that_serves_is_the_newest() -> None:
    tallies = Tallies()
    tallies.serve("stable").enter(0.1)
    for number in range(20):
        tallies.serve(f"r{number}")
        tallies.serve("stable")
    assert list(tallies.all()) == [*(f"r{number}" for number in range(21 - RELEASES, 20)), "stable"]
    assert tallies.of("stable").requests == 1
    assert tallies.before("stable") == "r19"


def test_a_release_that_serves_again_begins_well() -> None:
    tallies = Tallies()
    tally = tallies.serve("r1")
    for _ in range(FAILURES):
        tally.enter(0.1, failed=True)
        tally.engine_failed("broken")
    assert tallies.serve("r1").failing(AMONG) is False
    assert (tally.requests, tally.spell) == (FAILURES, FAILURES)


def test_a_release_that_is_tried_again_begins_with_nothing_once_for_each_time_it_is_asked_for() -> None:
    tallies = Tallies()
    tallies.serve("r1").enter(0.1, failed=True)
    tallies.serve("r1", again=True).enter(0.1)
    assert (tallies.of("r1").requests, tallies.of("r1").failures) == (1, 0)
    tallies.retried("r1")
    assert tallies.serve("r1", again=True).requests == 1
    tallies.retried("")
    assert tallies.serve("r1").requests == 1
    assert tallies.serve("r1", again=True).requests == 0


@pytest.mark.parametrize(
    ("kept", "live", "requests"),
    [(False, False, 7), (True, True, 7), (True, False, 7), (False, True, 2)],
    ids=["never tried again", "tried again before the restart", "read before it serves", "tried again since"],
)
def test_what_is_forgiven_does_not_come_back_from_the_disk(kept: bool, live: bool, requests: int) -> None:
    tally, before = Tally(requests=2, again=live), Tally(requests=5, again=kept)
    tally.go_on_from(before)
    assert (tally.requests, tally.again) == (requests, kept or live)


def test_a_report_tells_only_of_what_it_is_asked_for() -> None:
    tallies = Tallies()
    tallies.serve("r1").enter(0.1)
    tallies.of("r1").answers("digits").enter(0.1, 0.9)
    tallies.serve("r2")
    assert set(tallies.counters(["r1", "r3"], histograms=False)) == {"r1"}
    assert tallies.counters(["r1"], histograms=False)["r1"].models == {}
    assert tallies.counters(["r1"], histograms=True)["r1"].models["digits"].confidence.counts == [1]


def test_an_error_as_long_as_a_book_is_cut() -> None:
    tally = tallied(".")
    tally.engine_failed("x" * 10_000)
    assert len(tally.error) == 300
