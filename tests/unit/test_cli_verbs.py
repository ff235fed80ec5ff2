"""What a person may tell a rollout, and when it makes sense."""

from __future__ import annotations

from typing import Any

import pytest

from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.cli import verbs
from edgewise.cli.verbs import Known, VerbError
from tests.unit.core.builders import deployment

A, B, C = "1.0.0-a", "2.0.0-b", "2.0.0-c"
KNOWN = [Known(name, "2026-11-21T09:41:00Z", "digits") for name in (C, B, A)]

SETTLED: dict[str, Any] = {"release": {"stable": B, "target": B, "previous": A}}
GOING: dict[str, Any] = {
    "release": {"stable": A, "target": B},
    "rollout": {"release": B, "wave": 1, "waves": 3},
}
PODS: dict[str, Any] = {
    "release": {"stable": B, "target": B, "previous": A},
    "rollout": {"release": B, "pods": "pods-1", "wave": 2, "waves": 3},
}
REJECTED: dict[str, Any] = {
    "release": {"stable": A, "target": A, "previous": C, "rejected": [C, B]},
    "rollout": {"release": B, "wave": 1, "waves": 3},
}
FIRST: dict[str, Any] = {"release": {"target": A}}


def digits(status: dict[str, Any], **spec: Any) -> EdgeDeployment:
    return EdgeDeployment.model_validate({**deployment(**spec).wire(), "status": status})


@pytest.mark.parametrize(
    ("verb", "seen", "spec", "told"),
    [
        ("pause", digits(GOING), {"rollout": {"paused": True}}, "2.0.0-b stays in wave 1 of 3 until"),
        ("pause", digits(SETTLED), {"rollout": {"paused": True}}, "nothing new goes out until"),
        ("resume", digits(GOING, rollout={"paused": True}), {"rollout": {"paused": False}}, "goes on where it was"),
        ("promote", digits(GOING), {"rollout": {"promote": f"{B}/1"}}, "wave 1 of 3 of 2.0.0-b need not soak"),
        ("promote", digits(PODS), {"rollout": {"promote": "pods-1/2"}}, "wave 2 of 3 of pods-1 need not soak"),
        ("pause", digits(PODS), {"rollout": {"paused": True}}, "pods-1 stays in wave 2 of 3 until"),
        ("abort", digits(GOING), {"release": A}, "goes to 1.0.0-a, and stays there until `kubectl edgewise follow"),
        ("undo", digits(GOING), {"release": A}, "goes to 1.0.0-a"),
        ("undo", digits(SETTLED), {"release": A}, "goes to 1.0.0-a"),
        ("follow", digits(SETTLED, release=B), {"release": ""}, "follows its EdgeModels again"),
        ("retry", digits(REJECTED), {"rollout": {"retry": B}}, "2.0.0-b is tried again"),
        ("retry", digits(REJECTED, rollout={"retry": C}), {"rollout": {"retry": B}}, "2.0.0-b is tried again"),
    ],
)
def test_a_verb_is_a_field(verb: str, seen: EdgeDeployment, spec: dict[str, Any], told: str) -> None:
    edit = getattr(verbs, verb)(seen, KNOWN)
    assert edit.spec == spec
    assert told in edit.told
    written = EdgeDeployment.model_validate({**seen.wire(), "spec": {**seen.spec.wire(), **spec}})
    assert written.spec, "the API knows it"


@pytest.mark.parametrize(
    ("verb", "seen", "says"),
    [
        ("resume", digits(GOING), "digits is not paused: it serves 1.0.0-a"),
        ("promote", digits(SETTLED), "no wave of digits soaks or waits: it serves 2.0.0-b"),
        ("promote", digits(REJECTED), "no wave of digits soaks"),
        (
            "promote",
            digits({**PODS, "release": {**PODS["release"], "rejected": ["pods-1"]}}),
            "no wave of digits soaks",
        ),
        ("abort", digits(PODS), "no release is on its way: it serves 2.0.0-b"),
        ("abort", digits(SETTLED), "no release is on its way: it serves 2.0.0-b; to go back further, `undo`"),
        ("abort", digits(FIRST), "has no release to go back to: 1.0.0-a is not promoted yet"),
        ("undo", digits(FIRST), "digits has served nothing before: it serves nothing yet; name a release with --to"),
        ("undo", digits({}), "digits has served nothing before"),
        ("undo", digits(REJECTED), "2.0.0-c was rejected, and nobody goes there; `retry` would give it another"),
        ("undo", digits(SETTLED, release=A), "spec.release is 1.0.0-a already: it serves 2.0.0-b"),
        ("follow", digits(SETTLED), "digits follows its EdgeModels already"),
        ("retry", digits(SETTLED), "nothing of digits was rejected"),
        ("retry", digits(REJECTED, rollout={"retry": B}), "2.0.0-b has had another chance, which counts once"),
    ],
)
def test_one_that_makes_no_sense_says_why(verb: str, seen: EdgeDeployment, says: str) -> None:
    with pytest.raises(VerbError) as refusal:
        getattr(verbs, verb)(seen, KNOWN)
    assert says in str(refusal.value)


@pytest.mark.parametrize(
    ("to", "found"),
    [(A, A), ("1.0.0", A), (C, C), ("2.0.0", None), ("1.0", None), ("3.0.0", None), ("1.0.0-a-", None)],
)
def test_a_release_is_named_in_full_or_by_a_version_that_only_one_has(to: str, found: str | None) -> None:
    seen = digits({"release": {"stable": B, "target": B}})
    if found is not None:
        assert verbs.undo(seen, KNOWN, to).spec == {"release": found}
        return
    with pytest.raises(VerbError, match=r"its releases \(there: .*\); name one of those"):
        verbs.undo(seen, KNOWN, to)


def test_what_a_release_is_to_the_fleet() -> None:
    pinned = digits(GOING, release=B)
    assert [verbs.standing(pinned, name) for name in (A, B, C)] == ["stable", "on its way, pinned", ""]
    assert [verbs.standing(digits(SETTLED), name) for name in (A, B, C)] == ["before", "stable", ""]
    assert verbs.standing(digits(REJECTED), C) == "before, rejected"
