"""Bursts wait, overloads are turned away, models take turns: all without a clock."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise_runtime.errors import DeadlineError, OverloadedError
from edgewise_runtime.scheduling.crowd import RELAXED
from edgewise_runtime.scheduling.queue import Queue
from tests.runtime.queueing import Play, Visit, call, clients, late, line, refused, regularly

RUN = 0.02


@pytest.mark.parametrize(("load", "workers"), [(3.0, 1), (10.0, 1), (10.0, 2), (10.0, 4), (50.0, 1)])
def test_in_an_overload_whoever_is_admitted_is_answered_within_three_runs(load: float, workers: int) -> None:
    model = line(RUN, workers)
    visits = Play(workers).run(regularly(model, load * workers / RUN, 0.0, 10.0), until=10.0)
    assert late(visits) <= 3.0
    answered = len(visits) - refused(visits)
    assert answered >= 0.95 * 10.0 * workers / RUN, "and no worker is ever idle"


@pytest.mark.parametrize("load", [1.3, 1.6, 2.0])
def test_a_smaller_overload_takes_longer_to_be_told_from_a_burst(load: float) -> None:
    visits = Play().run(regularly(line(RUN), load / RUN, 0.0, 20.0), until=20.0)
    assert late(visit for visit in visits if visit.at > 6.0) <= 3.0


def test_refusals_are_at_once_but_for_those_who_waited_when_it_began() -> None:
    visits = Play().run(regularly(line(RUN), 10 / RUN, 0.0, 10.0), until=10.0)
    waited = [visit for visit in visits if visit.refused is not None and visit.refused > visit.at]
    assert len(waited) <= 64
    assert max(visit.refused - visit.at for visit in waited if visit.refused is not None) <= 8 * RUN


def test_after_an_overload_a_burst_is_served_again() -> None:
    model = line(RUN)
    quiet = 2.0 + RELAXED + 2 * RUN
    burst = [Visit(quiet, model) for _ in range(50)]
    visits = Play().run([*regularly(model, 10 / RUN, 0.0, 2.0), *burst], until=10.0)
    assert refused(visit for visit in visits if visit.at == quiet) == 0


@pytest.mark.parametrize("count", [1, 16, 64])
@pytest.mark.parametrize("apart", [0.0, 0.001, 0.05])
def test_clients_that_wait_for_their_answers_are_never_refused(count: int, apart: float) -> None:
    """They bring no more than they take, however many they are."""
    visits = Play().run(clients(line(RUN), count, apart), until=10.0)
    assert refused(visits) == 0


def test_cameras_that_send_at_the_same_moment_are_all_served() -> None:
    model = line(RUN)
    frames = [Visit(second + camera * 0.004, model) for second in range(10) for camera in range(20)]
    assert refused(Play().run(frames, until=10.0)) == 0


def test_a_burst_larger_than_the_queue_loses_only_what_does_not_fit() -> None:
    model = line(RUN)
    visits = Play().run([Visit(0.0, model) for _ in range(100)], until=1.0)
    assert refused(visits) == 100 - 64 - 1


def test_clients_who_come_back_when_told_to_find_the_overload_over() -> None:
    """Refusals must not keep an overload alive that has long ended."""
    model = line(RUN)
    storm = regularly(model, 10 / RUN, 0.0, 1.0)
    visits = Play(again=1.0).run([*clients(model, 16), *storm], until=10.0)
    assert refused(visit for visit in visits if visit.at > 4.0) == 0


def test_a_busy_model_delays_another_by_no_more_than_one_run() -> None:
    busy, quiet = line(0.05), line(0.002)
    visits = Play().run([*clients(busy, 40), *regularly(quiet, 5, 1.0, 9.0)], until=9.0)
    waits = [visit.answered - visit.at for visit in visits if visit.line is quiet and visit.answered]
    assert len(waits) == 40
    assert max(waits) <= 0.05 + 0.002 + 1e-9


@settings(deadline=None, max_examples=20)
@given(st.lists(st.sampled_from([0.001, 0.004, 0.03]), min_size=2, max_size=5), st.integers(1, 3))
def test_models_that_all_have_work_get_the_same_time(runs: list[float], workers: int) -> None:
    lines = [line(seconds, workers) for seconds in runs]
    visits = Play(workers, limit=1000).run([visit for one in lines for visit in clients(one, 8)], until=1.0)
    used = [
        sum(run for visit in visits if visit.line is one and visit.answered)
        for one, run in zip(lines, runs, strict=True)
    ]
    assert max(used) - min(used) <= (workers + 1) * max(runs) + 8 * max(runs)


def test_the_longest_line_gives_its_place_to_a_model_that_has_none() -> None:
    queue, hot, cold = Queue(1, limit=4), line(RUN), line(RUN)
    waiting = [call(hot) for _ in range(5)]
    newest: Any = waiting[-1].answer
    for one in waiting:
        queue.enter(hot, one, 0.0)
        queue.next(0.0)
    queue.enter(cold, call(cold), 0.001)
    assert isinstance(newest.exception(), OverloadedError)
    with pytest.raises(OverloadedError, match="4 requests are waiting"):
        queue.enter(hot, call(hot), 0.002)
    assert queue.waiting == 4


def test_a_request_that_cannot_be_answered_in_time_is_refused_at_once() -> None:
    queue, model = Queue(1, limit=64), line(RUN)
    for _ in range(4):
        queue.enter(model, call(model), 0.0)
        queue.next(0.0)
    with pytest.raises(DeadlineError, match="would take 100 ms"):
        queue.enter(model, call(model, deadline=0.09), 0.0)
    queue.enter(model, call(model, deadline=0.11), 0.0)
    assert queue.waiting == 4


def test_with_a_free_worker_nobody_is_asked_for_a_deadline_he_may_make() -> None:
    queue, model = Queue(1, limit=64), line(RUN)
    queue.enter(model, call(model, deadline=RUN / 2), 0.0)
    assert queue.next(0.0) is not None


def test_a_model_never_measured_is_refused_by_count_alone() -> None:
    queue, model = Queue(1, limit=3), line(0.0)
    for _ in range(4):
        queue.enter(model, call(model, deadline=1.0), 0.0)
        queue.next(0.0)
    with pytest.raises(OverloadedError, match="3 requests are waiting"):
        queue.enter(model, call(model), 0.0)


def test_calls_that_can_share_a_run_go_together_and_the_others_keep_their_places() -> None:
    queue, model = Queue(1, limit=64), line(RUN, batch=4)
    first = call(model)
    queue.enter(model, first, 0.0)
    group = queue.next(0.0)
    assert group is not None
    calls = [call(model, kind=kind, rows=rows) for kind, rows in (("a", 1), ("b", 1), ("a", 2), ("a", 3), ("a", 1))]
    for one in calls:
        queue.enter(model, one, 0.0)
    queue.done(group, RUN)
    taken = []
    while (group := queue.next(RUN)) is not None:
        taken.append([calls.index(one) for one in group.calls])
        queue.done(group, RUN)
    assert taken == [[0, 2, 4], [1], [3]]


def test_the_first_waits_a_moment_for_as_many_as_came_the_last_time() -> None:
    queue, model = Queue(1, limit=64), line(RUN, batch=4, wait=0.005)

    def come(now: float) -> None:
        queue.enter(model, call(model, kind="a"), now)

    for _ in range(3):
        come(0.0)
    group = queue.next(0.0)
    assert group is not None
    queue.done(group, RUN)
    come(1.0)
    assert queue.next(1.0) is None
    assert queue.ready_at(1.0) == 1.005
    come(1.001)
    come(1.002)
    together = queue.next(1.002)
    assert together is not None
    assert len(together.calls) == 3


def test_nobody_waits_longer_for_company_than_was_measured_to_pay() -> None:
    queue, model = Queue(1, limit=64), line(RUN, batch=4, wait=0.005)
    for _ in range(2):
        queue.enter(model, call(model, kind="a"), 0.0)
    group = queue.next(0.0)
    assert group is not None
    queue.done(group, RUN)
    queue.enter(model, call(model, kind="a"), 1.0)
    assert queue.next(1.004) is None
    assert queue.next(1.005) is not None


def test_clients_that_were_held_up_and_come_all_at_once_are_not_refused() -> None:
    """Their machine was busy for a moment, while others were served."""
    model = line(RUN)
    held_up = [Visit(1.1, model, client=number) for number in range(40)]
    assert refused(Play().run([*clients(model, 20), *held_up], until=5.0)) == 0
