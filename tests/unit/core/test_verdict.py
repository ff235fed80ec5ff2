"""Each check of the verdict with its table. A fleet is told by the state of its devices."""

from __future__ import annotations

from typing import Any

import pytest

from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.core import conditions
from edgewise.core.conditions import Verdict
from edgewise.core.deployment import verdict
from edgewise.core.deployment.images import Images
from edgewise.core.deployment.verdict import PATIENCE, allowance, judge
from edgewise.core.deployment.view import Course, View
from edgewise.core.placement import Placed
from edgewise.core.progress import NodeProgress, State
from tests.unit.core.builders import NOW, deployment, model, observed, released, workload

A, B = released(model()), released(model(version="2.0.0"))


def device(name: str, state: State, **rest: Any) -> NodeProgress:
    return NodeProgress(name, "cpu", state, ready=state == "updated", **rest)


def devices(**counts: int) -> list[NodeProgress]:
    """So many devices in each state."""
    return [device(f"{state}-{i}", state) for state, count in counts.items() for i in range(count)]  # type: ignore[arg-type]


def fleet(*of: NodeProgress, stable: Any = A, gone: tuple[str, ...] = (), **placed: Any) -> View:
    """Devices on the way to B."""
    where = Placed(**{"nodes": {one.name: one.profile for one in of}, "matching": {"cpu": len(of)}, **placed})
    return View(Course(B, stable, gone), (), Images(), ("cpu",), where, tuple(of))


def said(view: View, of: EdgeDeployment | None = None, now: float = NOW, **more: Any) -> Verdict:
    return judge(observed(of, **more), view, now)


def seen(found: Verdict) -> tuple[str, str, str]:
    """Ready's status and reason, and what it comes with."""
    return found.ready, found.finding.reason, "Stalled" * found.stalled + "Reconciling" * found.reconciling


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


def test_fields_without_effect_are_named_once_it_serves() -> None:
    found = said(fleet(*devices(updated=1)), deployment(rollout={"waves": [{"nodes": 1}]}))
    assert seen(found) == ("True", "FieldsNotActedOn", "")
    assert found.finding.message.endswith("; not acted on by this version: spec.rollout.waves")


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


@pytest.mark.parametrize("state", ["starting", "failed"])
def test_the_only_device_is_never_one_of_a_few(state: State) -> None:
    assert said(fleet(device("pi", state, reason="LoadFailed"), stable=B)).ready == "False"


def test_one_failed_device_takes_no_ready_from_a_promoted_fleet_but_is_told() -> None:
    sick = device("pi", "failed", reason="LoadFailed", message="bad graph")
    found = said(fleet(*devices(updated=10), sick, stable=B))
    assert seen(found) == ("True", "Serving", "")
    assert found.finding.message == f"10 of 11 reachable nodes serve {B.name}; pi: bad graph"


def failed(name: str, reason: str = "HashMismatch", message: str = "expected ab, got cd") -> NodeProgress:
    return device(name, "failed", reason=reason, message=message)


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        pytest.param(
            fleet(failed("a"), *devices(updated=1)),
            f"1 of 2 nodes cannot serve {B.name} (a): expected ab, got cd; they keep serving {A.name}",
            id="in a rollout",
        ),
        pytest.param(
            fleet(failed("a"), stable=None),
            f"1 of 1 node cannot serve {B.name} (a): expected ab, got cd",
            id="of a first release",
        ),
        pytest.param(
            fleet(*(failed(name) for name in "abcde"), *devices(offline=2)),
            f"5 of 5 nodes cannot serve {B.name} (a, b, c and 2 more): expected ab, got cd; they keep serving {A.name}",
            id="many",
        ),
    ],
)
def test_failed_devices_need_a_person(view: View, expected: str) -> None:
    found = said(view)
    assert found == conditions.stalled("HashMismatch", expected)


def test_refused_pods_need_a_person() -> None:
    refused = {"digits-jetson": "exceeded quota", "digits-cpu": "violates PodSecurity restricted"}
    found = said(fleet(*devices(updated=1, starting=1)), refused=refused)
    assert found == conditions.stalled(
        "PodsRefused", "the API server refuses the pods of digits-cpu: violates PodSecurity restricted"
    )


def test_a_refusal_of_long_ago_does_not_matter_when_everything_serves() -> None:
    assert said(fleet(*devices(updated=1)), refused={"digits-cpu": "exceeded quota"}).ready == "True"


def stuck(reason: str = "", message: str = "") -> NodeProgress:
    return device("z", "working", reason=reason, message=message)


PAUSED = deployment(rollout={"paused": True})


@pytest.mark.parametrize(
    ("view", "of", "reason", "message"),
    [
        pytest.param(
            fleet(*devices(updated=1, working=1)), None, "RollingOut", f"1 of 2 reachable nodes serve {B.name}",
            id="on its way",
        ),
        pytest.param(
            fleet(*devices(waiting=1), stable=None), None, "Starting", f"0 of 1 reachable nodes serve {B.name}",
            id="for the first time",
        ),
        pytest.param(
            fleet(*devices(offline=1), stable=None), None, "Starting", "1 node offline; waiting for one",
            id="nobody there",
        ),
        pytest.param(
            fleet(*devices(updated=1, working=1)), PAUSED, "Paused",
            f"1 of 2 reachable nodes serve {B.name}; spec.rollout.paused holds the others", id="paused",
        ),
        pytest.param(
            fleet(*devices(waiting=1), stable=None), PAUSED, "Starting", f"0 of 1 reachable nodes serve {B.name}",
            id="a first release is not paused",
        ),
        pytest.param(
            fleet(device("a", "starting", message="Pulling"), stuck("SourceUnreachable", "no route")), None,
            "SourceUnreachable", f"0 of 2 reachable nodes serve {B.name}; z: no route",
            id="a device with a reason speaks for all",
        ),
        pytest.param(
            fleet(device("a", "starting", message="Pulling"), stuck()), None, "RollingOut",
            f"0 of 2 reachable nodes serve {B.name}; a: Pulling", id="else one with a message",
        ),
        pytest.param(
            fleet(stuck("DiskFull")), None, "DiskFull", f"0 of 1 reachable nodes serve {B.name}; z: DiskFull",
            id="a reason without a message",
        ),
    ],
)  # fmt: skip
def test_what_is_still_going_says_how_far(view: View, of: EdgeDeployment | None, reason: str, message: str) -> None:
    assert said(view, of) == conditions.working(reason, message)


def test_the_first_check_that_speaks_is_heard() -> None:
    """A deleted model, of which nothing is placed, and whose pods are refused."""
    view, looked_at = fleet(gone=("digits",)), observed(refused={"digits-cpu": "quota"})
    assert judge(looked_at, view, NOW) == verdict.model_is_gone(looked_at, view, NOW)
    assert verdict.nothing_is_placed(looked_at, view, NOW) is not None
