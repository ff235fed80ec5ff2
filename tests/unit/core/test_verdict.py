"""The order of the verdict's checks, and those of a fleet that serves, or has nothing placed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.core import conditions
from edgewise.core.conditions import Verdict
from edgewise.core.deployment import verdict
from edgewise.core.deployment.verdict import PATIENCE, allowance, judge
from tests.unit.core.builders import NOW, deployment, observed, workload
from tests.unit.core.verdicts import A, B, devices, fleet, said, seen


@pytest.mark.parametrize(
    ("count", "percent", "expected"),
    [(1, "10%", 1), (9, "10%", 1), (20, "10%", 2), (29, "10%", 2), (5, "0%", 1), (400, "100%", 400), (0, "10%", 1)],
)
def test_max_unavailable_is_a_share_of_the_reachable_devices_and_at_least_one(
    count: int, percent: str, expected: int
) -> None:
    assert allowance(fleet(*devices(updated=count, offline=7)), percent) == expected


def test_a_deleted_model_is_a_persons_business_though_everything_answers() -> None:
    found = said(fleet(*devices(updated=3), stable=B, gone=("digits",)))
    assert seen(found) == ("False", "ModelGone", "Stalled")
    assert found.finding.message == (
        f"EdgeModel digits was deleted; {B.name} is served on from its snapshot. "
        "Create the EdgeModel again, or delete this EdgeDeployment"
    )


LAB = deployment(placement={"nodeSelector": {"site": "lab", "rack": "1"}})


def test_a_target_that_cannot_be_asked_is_a_persons_business_though_everything_answers() -> None:
    of = deployment(escalation={"targets": [{"name": "up", "deploymentRef": {"name": "bigger"}}]})
    found = said(fleet(*devices(updated=1)), of)
    assert seen(found) == ("False", "TargetNotFound", "Stalled")
    assert found.finding.message.endswith("create it, or correct deploymentRef. Devices serve on, and ask the others")


@pytest.mark.parametrize(
    ("of", "placed", "expected"),
    [
        pytest.param(None, {}, ("NoMatchingNode", "the cluster has no node"), id="no node"),
        pytest.param(
            LAB, {}, ("NoMatchingNode", "no node has the labels of placement.nodeSelector (rack=1, site=lab)"),
            id="no selected node",
        ),
        pytest.param(
            None, {"tainted": ("a", "b")},
            (
                "NoMatchingNode",
                "the 2 nodes selected have taints that placement.tolerations does not tolerate; add them there",
            ),
            id="only tainted nodes",
        ),
        pytest.param(
            None, {"unplaced": {"a": "NoMatchingProfile: …"}, "matching": {}},
            (
                "NoMatchingProfile",
                "no DeviceProfile matches the 1 node selected; "
                "label a node edgewise.dev/device=<profile>, or add a DeviceProfile",
            ),
            id="no profile",
        ),
        pytest.param(
            None,
            {
                "unplaced": {
                    "b": "InsufficientMemory: the pod of cpu needs 2Gi, the node has 1Gi; keeps serving 1.0.0",
                    "a": "NoFittingBuild: …",
                },
                "matching": {"cpu": 2},
            },
            (
                "InsufficientMemory",
                "b: the pod of cpu needs 2Gi, the node has 1Gi; add a smaller build, or lower serving.resources",
            ),
            id="no memory",
        ),
        pytest.param(
            None, {"unplaced": {"a": "NoFittingBuild: …"}, "matching": {"jetson": 1}},
            ("NoFittingBuild", "placement.profiles names no profile of the 1 node selected; add one"),
            id="no profile of theirs",
        ),
    ],
)  # fmt: skip
def test_where_nothing_is_placed_the_first_missing_link_is_named(
    of: EdgeDeployment | None, placed: dict[str, Any], expected: tuple[str, str]
) -> None:
    found = said(fleet(**placed), of)
    assert found == conditions.stalled(*expected)


def test_where_nothing_is_placed_any_more_it_says_what_still_serves() -> None:
    unplaced = {"a": "NoBuildInTarget: …"}
    kept = said(fleet(unplaced=unplaced, kept={"a": "cpu"}, matching={"cpu": 1}))
    assert kept.finding.message.endswith(f"; 1 node still served by {A.name}")
    left = said(fleet(), workloads=(workload(),))
    assert left.finding.message == "the cluster has no node; what runs is left as it is"


@pytest.mark.parametrize("stable", [None, A, B], ids=["first release", "rolling out", "promoted"])
def test_ready_is_true_when_every_reachable_device_serves_the_target(stable: Any) -> None:
    found = said(fleet(*devices(updated=3, offline=2), stable=stable))
    assert seen(found) == ("True", "Serving", "")
    assert found.finding.message == f"3 of 3 reachable nodes serve {B.name}; 2 offline"


def test_unplaced_nodes_are_counted_beside_those_that_serve() -> None:
    found = said(fleet(*devices(updated=1), unplaced={"x": "…", "y": "…"}))
    assert found.finding.message == f"1 of 1 reachable nodes serve {B.name}; 2 unplaced"


def test_a_key_that_was_taken_away_is_told_while_the_devices_serve_on() -> None:
    gone = replace(devices(updated=1)[0], reason="SignatureInvalid", message="none of the keys made it")
    found = said(fleet(gone))
    assert seen(found) == ("True", "SignatureInvalid", "")
    assert found.finding.message.endswith("would not take it again: none of the keys made it")


WITHOUT_EFFECT: dict[str, Any] = {"placement": {"mode": "Replicas"}, "rollout": {"gates": {}}}


def test_fields_without_effect_are_named_once_it_serves() -> None:
    found = said(fleet(*devices(updated=1)), deployment(**WITHOUT_EFFECT))
    assert seen(found) == ("True", "FieldsNotActedOn", "")
    assert found.finding.message.endswith(
        "; not acted on by this version: spec.rollout.gates in placement.mode Replicas"
    )


def test_a_threshold_that_can_never_act_is_named_once_it_serves() -> None:
    escalation = {"targets": [{"name": "cloud", "url": "https://cloud"}], "when": {"confidenceBelow": "0.8"}}
    found = said(fleet(*devices(updated=1)), deployment(escalation=escalation, **WITHOUT_EFFECT))
    assert seen(found) == ("True", "FieldsNotActedOn", "")
    assert found.finding.message == (
        f"1 of 1 reachable nodes serve {B.name}; spec.escalation.when.confidenceBelow cannot act on "
        "digits (task Other): set spec.confidence in its EdgeModel; "
        "not acted on by this version: spec.rollout.gates in placement.mode Replicas"
    )


@pytest.mark.parametrize(
    ("stable", "expected"),
    [
        pytest.param(None, ("False", "Starting", "Reconciling"), id="first release"),
        pytest.param(A, ("False", "Starting", "Reconciling"), id="rolling out"),
        pytest.param(B, ("True", "Serving", ""), id="promoted"),
    ],
)  # fmt: skip
def test_with_every_device_offline_only_a_promoted_release_is_ready(stable: Any, expected: Any) -> None:
    assert seen(said(fleet(*devices(offline=2), stable=stable))) == expected


def test_no_replica_wanted_is_ready() -> None:
    assert seen(said(fleet(nodes={"pi-1": "cpu"}, stable=None))) == ("True", "Serving", "")


def was(found: Verdict, ago: float) -> EdgeDeployment:
    """A deployment whose conditions speak of this verdict since so many seconds ago."""
    moved = conditions.moved(None, found, 1, NOW - ago)
    return deployment(status={"conditions": [condition.wire() for condition in moved]})


SERVING = conditions.serving("Serving", "")
PATIENT = Verdict("True", SERVING.finding, reconciling=True)


@pytest.mark.parametrize(
    ("of", "off", "expected"),
    [
        pytest.param(was(SERVING, 9999), 1, ("True", "Serving", ""), id="as few as maxUnavailable"),
        pytest.param(was(SERVING, 9999), 2, ("True", "Serving", "Reconciling"), id="too many, from now on"),
        pytest.param(was(PATIENT, PATIENCE), 2, ("True", "Serving", "Reconciling"), id="too many, not too long"),
        pytest.param(was(PATIENT, PATIENCE + 1), 2, ("False", "Starting", "Reconciling"), id="too many for too long"),
        pytest.param(
            was(conditions.working("Starting", ""), 1), 2, ("False", "Starting", "Reconciling"), id="it was not Ready"
        ),
        pytest.param(was(conditions.working("Starting", ""), 1), 1, ("True", "Serving", ""), id="it recovers"),
        pytest.param(deployment(), 2, ("False", "Starting", "Reconciling"), id="it was never seen"),
    ],
)
def test_a_promoted_deployment_is_patient(of: EdgeDeployment, off: int, expected: tuple[str, str, str]) -> None:
    assert seen(said(fleet(*devices(updated=10, starting=off), stable=B), of)) == expected


def test_the_first_check_that_speaks_is_heard() -> None:
    """A deleted model, of which nothing is placed, and whose pods are refused."""
    view, looked_at = fleet(gone=("digits",)), observed(refused={"digits-cpu": "quota"})
    assert judge(looked_at, view, NOW) == verdict.model_is_gone(looked_at, view, NOW)
    assert verdict.nothing_is_placed(looked_at, view, NOW) is not None
