"""Questions to a Prometheus: when they are asked, how, and what a wave makes of the answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.core.observed import Answer
from edgewise.core.rollout import engine, gates, queries
from edgewise.core.rollout.scene import Inquiry, Standing
from tests.unit.core.builders import NOW, deployment
from tests.unit.core.rollout.scenes import members, scene

SCRAP = {"name": "scrap", "promql": 'scrap{site="{{namespace}}", of="{{ name }}", release="{{release}}"}', "max": "0.2"}
B = "2.0.0-b"


def answered(*values: float | None, **more: Any) -> tuple[Answer, ...]:
    """A quarter of a minute apart, the last one just now."""
    return tuple(Answer(NOW - 15.0 * age, value, **more) for age, value in reversed([*enumerate(reversed(values))]))


def said(answers: tuple[Answer, ...], **more: Any) -> tuple[str, str] | None:
    asked = (Inquiry("scrap", 0.2, answers),)
    word = gates.first(scene(members(updated=3), **{"inquiries": asked, "prometheus": True, **more}))
    return (word.stance, word.reason) if word is not None else None


LATE: dict[str, Any] = {"since": NOW - 86401, "soak_ends": NOW - 3600}
PROBLEM: dict[str, Any] = {"problem": "http://prometheus cannot be asked"}
UNANSWERED, ABOVE = ("wait", "QueryUnanswered"), ("wait", "QueryAboveMax")
STUCK = ("stuck", "QueryUnanswered")


@pytest.mark.parametrize(
    ("answers", "more", "expected"),
    [
        pytest.param(answered(0.1), {}, None, id="below it goes on"),
        pytest.param(answered(0.2), {}, None, id="and at it"),
        pytest.param(answered(float("-inf")), {}, None, id="however far"),
        pytest.param((), {}, UNANSWERED, id="it was not asked yet"),
        pytest.param(answered(0.1), {"soak_ends": NOW}, None, id="asked when the soak ended"),
        pytest.param(answered(0.1), {"soak_ends": NOW - 0.5}, None, id="or later"),
        pytest.param((Answer(NOW - 5, 0.1),), {"soak_ends": NOW - 1}, UNANSWERED, id="but not before it"),
        pytest.param(answered(0.3), {}, ABOVE, id="above once it waits"),
        pytest.param(answered(0.3, 0.3), {}, ABOVE, id="and twice"),
        pytest.param(answered(0.3, 0.3, 0.3), {}, ("reject", "QueryAboveMax"), id="three times reject it"),
        pytest.param(answered(float("inf")) * 3, {}, ("reject", "QueryAboveMax"), id="infinity is above"),
        pytest.param(answered(0.3, 0.1, 0.3), {}, ABOVE, id="in a row"),
        pytest.param(answered(0.3, None, 0.3), {}, ABOVE, id="without a gap"),
        pytest.param(answered(0.3, 0.3, 0.3), {"soak_ends": NOW + 60}, ("reject", "QueryAboveMax"), id="at any time"),
        pytest.param(answered(0.3, 0.3, 0.3), {"paused": True}, ("reject", "QueryAboveMax"), id="paused or not"),
        pytest.param(
            answered(0.3, 0.3, 0.3), {"limits": {"rollback": False}}, ("stuck", "QueryAboveMax"),
            id="without a return it only stops",
        ),
        pytest.param(answered(0.3, 0.3), {"soak_ends": NOW + 60}, ("wait", "Soaking"), id="a spike while it soaks"),
        pytest.param(answered(None), {}, UNANSWERED, id="no number is no evidence"),
        pytest.param(answered(None), LATE, STUCK, id="after the deadline, and no test"),
        pytest.param(answered(None), {**LATE, "self_tested": True}, None, id="the test stands in"),
        pytest.param(answered(None), {**LATE, "limits": {"on_too_few": "Promote"}}, None, id="Promote"),
        pytest.param(
            answered(None), {**LATE, "self_tested": True, "limits": {"on_too_few": "Hold"}}, STUCK, id="Hold",
        ),
        pytest.param(answered(None, **PROBLEM), {}, UNANSWERED, id="nobody answers"),
        pytest.param(answered(None, **PROBLEM) * 3, {**LATE, "self_tested": True}, STUCK, id="for ever"),
        pytest.param(answered(0.1, 0.1, 0.3), {"promote": f"{B}/2"}, None, id="a person has seen enough"),
        pytest.param((), {"promote": f"{B}/2", "prometheus": False}, None, id="whoever is asked"),
        pytest.param(answered(0.3, 0.3, 0.3), {"promote": f"{B}/2"}, ("reject", "QueryAboveMax"), id="not of this"),
        pytest.param((), {"prometheus": False}, ("stuck", "NoPrometheus"), id="there is nobody to ask"),
        pytest.param(
            (), {"prometheus": False, "soak_ends": NOW + 60}, ("stuck", "NoPrometheus"), id="which is said at once",
        ),
        pytest.param(
            answered(None, problem="parse error", mistaken=True), {"soak_ends": NOW + 60}, ("stuck", "QueryInvalid"),
            id="and so is a mistake",
        ),
    ],
)  # fmt: skip
def test_what_a_wave_makes_of_it(
    answers: tuple[Answer, ...], more: dict[str, Any], expected: tuple[str, str] | None
) -> None:
    assert said(answers, **more) == expected


def test_each_of_several_queries_must_be_content() -> None:
    good, bad = Inquiry("heat", 70, answered(60)), Inquiry("scrap", 0.2, answered(0.5))
    for asked in ((good, bad), (bad, good)):
        assert said((), inquiries=asked) == ABOVE


def test_a_rollout_does_not_begin_where_nobody_can_be_asked() -> None:
    seen = scene([], members(working=3), inquiries=(Inquiry("scrap", 0.2),))
    step = engine.step(replace(seen, standing=Standing()))
    assert (step.standing.wave, step.word and step.word.reason) == (0, "NoPrometheus")


@pytest.mark.parametrize(
    ("answers", "more", "message"),
    [
        (
            answered(1.5, 1.5, 1.5, where="line=3, site=berlin"), {},
            "query scrap is 1.5 (line=3, site=berlin); max allows 0.2, 3 times in a row",
        ),
        (answered(float("inf")), {}, "query scrap is +inf; max allows 0.2; it is asked again"),
        (answered(None), {}, "no number answers query scrap yet"),
        (
            answered(None), LATE,
            "no number answers query scrap within gates.deadline, and the model has no selfTest to go by instead; "
            "set rollout.promote: 2.0.0-b/2 to go on",
        ),
        (
            answered(None, **PROBLEM), LATE,
            "query scrap has no answer: http://prometheus cannot be asked; set rollout.promote: 2.0.0-b/2 to go on",
        ),
        (
            (), {"prometheus": False},
            "gates.query (scrap) asks a Prometheus, and the operator knows none: set prometheus.url of its chart, "
            "or take gates.query out",
        ),
        (
            answered(None, problem="1:1: parse error", mistaken=True), {},
            "query scrap is wrong: 1:1: parse error; correct it in gates.query",
        ),
    ],
)  # fmt: skip
def test_a_person_is_told_what_it_is_and_what_to_do(
    answers: tuple[Answer, ...], more: dict[str, Any], message: str
) -> None:
    asked = (Inquiry("scrap", 0.2, answers),)
    word = gates.first(scene(members(updated=3), **{"inquiries": asked, "prometheus": True, **more}))
    assert word is not None
    assert word.message == message


def rolling(release: str | None = B, target: str = B, pods: str | None = None, rejected: Any = None) -> EdgeDeployment:
    made = deployment(rollout={"gates": {"query": [SCRAP]}})
    known = {"stable": "1.0.0-a", "target": target, "rejected": rejected}
    status = {"release": known, "rollout": {"release": release, "pods": pods, "wave": 1}}
    return EdgeDeployment.model_validate({**made.wire(), "status": status})


AS_ASKED = 'scrap{site="edge", of="digits", release="2.0.0-b"}'


def test_it_is_asked_while_the_release_is_on_its_way_with_the_names_filled_in() -> None:
    assert queries.wanted(rolling()) == [AS_ASKED]
    assert queries.wanted(rolling(release=None)) == []
    assert queries.wanted(rolling(target="1.0.0-a")) == [], "it was rejected"
    assert queries.wanted(rolling(pods="pods-1")) == [AS_ASKED], "pods go by waves, too"
    assert queries.wanted(rolling(pods="pods-1", rejected=["pods-1"])) == []
    assert queries.wanted(deployment(rollout={"gates": {"query": [SCRAP]}})) == [], "nothing is known yet"
    assert queries.wanted(deployment()) == []


def test_answers_are_of_this_wave_and_to_this_question() -> None:
    known = {AS_ASKED: (Answer(NOW - 20, 9.0), Answer(NOW, 0.1)), "another": (Answer(NOW, 9.0),)}
    assert queries.inquiries(rolling(), B, known, NOW - 10) == (Inquiry("scrap", 0.2, (Answer(NOW, 0.1),)),)
    assert queries.inquiries(rolling(), "3.0.0-c", known, 0) == (Inquiry("scrap", 0.2),)
    assert queries.inquiries(deployment(), B, known, 0) == ()
