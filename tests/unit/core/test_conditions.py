from __future__ import annotations

import pytest

from edgewise.api.base import Condition
from edgewise.core import conditions
from edgewise.core.conditions import Verdict
from edgewise.core.outcome import Event
from tests.unit.core.builders import NOW

THEN = "2023-11-14T22:13:20Z"  # NOW, as Kubernetes writes it
EARLIER = "2023-11-01T00:00:00Z"

SERVING = conditions.serving("Serving", "5 of 5")
WORKING = conditions.working("RollingOut", "3 of 5")
STALLED = conditions.stalled("ModelNotFound", "no such model")


def earlier(verdict: Verdict) -> list[Condition]:
    """The conditions an earlier verdict left."""
    return [
        condition.model_copy(update={"last_transition_time": EARLIER})
        for condition in conditions.moved(None, verdict, 1, NOW)
    ]


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (SERVING, {"Ready": "True"}),
        (WORKING, {"Ready": "False", "Reconciling": "True"}),
        (STALLED, {"Ready": "False", "Stalled": "True"}),
        (Verdict("True", SERVING.finding, reconciling=True), {"Ready": "True", "Reconciling": "True"}),
    ],
)
def test_conditions_that_are_not_true_are_not_there_but_for_ready(verdict: Verdict, expected: dict[str, str]) -> None:
    moved = conditions.moved(None, verdict, 7, NOW)
    assert {condition.type: condition.status for condition in moved} == expected
    assert {condition.observed_generation for condition in moved} == {7}
    assert {condition.reason for condition in moved} == {verdict.finding.reason}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(None, SERVING, {"Ready": THEN}, id="at first sight it is now"),
        pytest.param(SERVING, SERVING, {"Ready": EARLIER}, id="it stays while nothing changes"),
        pytest.param(
            WORKING, conditions.working("Paused", "4 of 5"), {"Ready": EARLIER, "Reconciling": EARLIER},
            id="it stays when reason and message change",
        ),
        pytest.param(WORKING, SERVING, {"Ready": THEN}, id="it moves when the status flips"),
        pytest.param(WORKING, STALLED, {"Ready": EARLIER, "Stalled": THEN}, id="each condition has its own"),
    ],
)  # fmt: skip
def test_last_transition_time_moves_on_flips_only(
    before: Verdict | None, after: Verdict, expected: dict[str, str]
) -> None:
    old = earlier(before) if before is not None else None
    moved = conditions.moved(old, after, 2, NOW)
    assert {condition.type: condition.last_transition_time for condition in moved} == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(None, SERVING, ["Normal"], id="the first verdict is news"),
        pytest.param(None, conditions.working("Starting", ""), [], id="that it starts is no news"),
        pytest.param(SERVING, SERVING, [], id="nothing changed"),
        pytest.param(WORKING, conditions.working("RollingOut", "4 of 5"), [], id="a message is no news"),
        pytest.param(WORKING, conditions.working("Paused", "3 of 5"), ["Normal"], id="a reason is news"),
        pytest.param(SERVING, STALLED, ["Warning"], id="a person must act"),
        pytest.param(STALLED, SERVING, ["Normal"], id="it is well again"),
    ],
)
def test_events_come_on_flips(before: Verdict | None, after: Verdict, expected: list[str]) -> None:
    old = earlier(before) if before is not None else None
    events = conditions.events(old, after)
    assert [event.type for event in events] == expected
    assert all(event == Event(event.type, after.finding.reason, after.finding.message) for event in events)


def test_a_message_is_cut_where_kubernetes_would_refuse_it() -> None:
    endless = conditions.stalled("LoadFailed", "x" * 10_000)
    assert len(conditions.moved(None, endless, 1, NOW)[0].message) == 4000
    assert len(conditions.events(None, endless)[0].message) == 1000


def test_a_timestamp_is_rfc_3339_to_the_second() -> None:
    assert conditions.timestamp(NOW + 0.9) == THEN
