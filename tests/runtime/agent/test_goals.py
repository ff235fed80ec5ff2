from __future__ import annotations

import pytest

from edgewise.contract.plan import Plan, PlanServing, ProfilePlan, Switch
from edgewise_runtime.agent.goals import Goal, NoBuild, goal_of
from tests.runtime.agent.documents import NODE, PROFILE, plan, release, sha256, source

V1 = release("r1", {"digits": source("https://files/1", b"1")})
V2 = release("r2", {"digits": source("https://files/2", b"2"), "faces": source("https://files/f", b"f")}, "2.0.0")


def test_a_goal_is_the_build_of_each_model_that_the_profile_chose() -> None:
    goal = goal_of(plan(1, V1, V2), "r2", PROFILE)
    assert isinstance(goal, Goal)
    assert [(model.name, model.version, model.build.variant) for model in goal.models] == [
        ("digits", "2.0.0", "fp32"),
        ("faces", "2.0.0", "fp32"),
    ]
    assert goal.blobs() == {sha256(b"2"), sha256(b"f")}


def test_a_goal_has_the_wishes_that_models_are_tuned_by() -> None:
    profile = ProfilePlan(engine="ONNXRuntime", variants={"r1": {"digits": "fp32"}}, max_batch_size=8)
    document = plan(1, V1, profiles={PROFILE: profile}, serving=PlanServing(max_latency=0.02))
    goal = goal_of(document, "r1", PROFILE)
    assert isinstance(goal, Goal)
    assert (goal.max_batch_size, goal.max_latency) == (8, 0.02)


def without(variants: dict[str, dict[str, str]]) -> Plan:
    return plan(1, V1, V2, profiles={PROFILE: ProfilePlan(engine="ONNXRuntime", variants=variants)})


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (without({"r1": {"digits": "fp32"}}), "has no build for profile"),
        (without({"r2": {"digits": "fp32"}}), "chooses no build of model faces"),
        (without({"r2": {"digits": "fp32", "faces": "int8"}}), "chooses no build of model faces"),
        (plan(1, V1, V2, profiles={}), "has no build for profile"),
    ],
    ids=["release", "model", "variant", "profile"],
)
def test_a_release_without_a_build_for_this_node_says_what_is_missing(document: Plan, message: str) -> None:
    goal = goal_of(document, "r2", PROFILE)
    assert isinstance(goal, NoBuild)
    assert message in goal.message
    assert [model.name for model in goal.models] == ["digits", "faces"]


def test_a_release_that_the_plan_names_and_does_not_hold_is_no_build() -> None:
    goal = goal_of(plan(1, V1, target="r9"), "r9", PROFILE)
    assert isinstance(goal, NoBuild)
    assert "does not hold it" in goal.message


def test_a_goal_survives_the_disk() -> None:
    goal = goal_of(plan(1, V1), "r1", PROFILE)
    assert isinstance(goal, Goal)
    assert Goal.model_validate_json(goal.model_dump_json(by_alias=True, exclude_none=True)) == goal


def test_another_source_of_the_same_file_is_worth_another_try() -> None:
    moved = release("r1", {"digits": source("https://elsewhere/1", b"1")})
    before, after = goal_of(plan(1, V1), "r1", PROFILE), goal_of(plan(2, moved), "r1", PROFILE)
    assert isinstance(before, Goal)
    assert isinstance(after, Goal)
    assert before.identity != after.identity


def test_a_node_that_is_not_released_wants_the_stable_release() -> None:
    document = plan(1, V1, V2, stable="r1", switch=Switch(all=False, nodes=["another"]))
    assert document.wanted(NODE) == "r1"
