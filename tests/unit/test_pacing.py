"""When devices are poked, and when their pods are annotated instead."""

from __future__ import annotations

import pytest

from edgewise.controller.pacing import ANSWERED, IN_VAIN, Insistence, Turns


def test_turns_are_given_out_in_order_and_evenly() -> None:
    turns = Turns(a_second=10)
    assert [turns.next(now=5.0) for _ in range(4)] == pytest.approx([0.0, 0.1, 0.2, 0.3])


def test_nobody_waits_for_a_turn_after_a_pause() -> None:
    turns = Turns(a_second=10)
    for _ in range(50):
        turns.next(now=0.0)
    assert turns.next(now=10.0) == 0.0


def test_whoever_asks_while_others_wait_waits_only_for_those() -> None:
    turns = Turns(a_second=10)
    for _ in range(50):
        turns.next(now=0.0)
    assert turns.next(now=2.0) == pytest.approx(3.0)


def test_a_pod_that_hangs_is_annotated_once_a_minute_however_often_it_is_asked() -> None:
    insistence = Insistence[str]()
    annotated = [now for now in range(0, 181, 5) if insistence.may("pod", now)]
    assert annotated == [0, IN_VAIN, 2 * IN_VAIN, 3 * IN_VAIN]


def test_a_pod_that_has_heeded_an_annotation_gets_the_next_one_at_once() -> None:
    insistence = Insistence[str]()
    assert insistence.may("pod", 0.0)
    assert not insistence.may("pod", 5.0)
    assert insistence.may("pod", 5.0 + ANSWERED + 1.0)


def test_pods_are_annotated_each_for_itself() -> None:
    insistence = Insistence[str]()
    assert [insistence.may(pod, 0.0) for pod in ("one", "other", "one")] == [True, True, False]
