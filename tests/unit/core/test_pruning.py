"""What goes when nobody needs it any more, and how replicas are shared out."""

from __future__ import annotations

from edgewise.core.observed import ObjectRef
from tests.unit.core.builders import (
    NAMESPACE,
    build,
    model,
    node,
    released,
)
from tests.unit.core.fleets import BOTH, CPU, JETSON, PI, A, B, kinds, settled
from tests.unit.core.world import world

A_BOTH = released(model("digits", build(), BOTH[0])).name


def test_a_workload_nobody_needs_any_more_goes() -> None:
    made = settled([node("orin", "jetson"), node("pi")], [CPU, JETSON], [model("digits", build(), BOTH[0])])
    made.edit(placement={"profiles": ["cpu"]})
    made.settle()
    assert ("DaemonSet", "digits-jetson") not in made.children
    assert made.served() == {"orin": A_BOTH, "pi": A_BOTH}


def test_nothing_goes_before_all_was_listed() -> None:
    made = settled([node("orin", "jetson"), node("pi")], [CPU, JETSON], [model("digits", build(), BOTH[0])])
    made.complete = False
    made.edit(placement={"profiles": ["cpu"]})
    assert made.reconcile().prune == ()


def test_pruning_names_the_object_it_means_by_uid_and_version() -> None:
    made = settled([node("orin", "jetson"), node("pi")], [CPU, JETSON], [model("digits", build(), BOTH[0])])
    made.edit(placement={"profiles": ["cpu"]})
    assert made.reconcile().prune == (
        ObjectRef("apps/v1", "DaemonSet", NAMESPACE, "digits-jetson", "uid-of-digits-jetson", "1"),
    )


def test_changing_the_mode_takes_the_daemon_sets_away() -> None:
    made = settled(PI)
    made.edit(placement={"mode": "Replicas", "replicas": 2})
    plan = made.reconcile()
    assert [ref.kind for ref in plan.prune] == ["DaemonSet"]
    assert "Deployment/digits-cpu" in kinds(plan)


def test_old_releases_go_and_those_in_use_stay() -> None:
    made = settled(PI)
    made.broken = {("pi-1", B)}
    for minor in range(1, 15):
        version = model(version=f"1.{minor}.0")
        made.broken |= {("pi-1", released(version).name)}
        made.release(version)
        made.settle()
    kept = [name for kind, name in made.children if kind == "ControllerRevision"]
    assert len(kept) == 10
    assert f"digits-release-{A}" in kept


def test_replicas_are_shared_over_profiles_by_their_nodes() -> None:
    boxes = [node("orin", "jetson"), node("a"), node("b"), node("c")]
    made = world(
        boxes, [CPU, JETSON], [model("digits", build(), BOTH[0])], placement={"mode": "Replicas", "replicas": 8}
    )
    plan = made.reconcile()
    assert {one["metadata"]["name"]: one["spec"]["replicas"] for one in plan.apply if one["kind"] == "Deployment"} == {
        "digits-cpu": 6, "digits-jetson": 2,
    }  # fmt: skip
    assert made.status["nodes"]["matched"] == 8


def test_no_replicas_are_ready_and_promoted() -> None:
    made = world(PI, placement={"mode": "Replicas", "replicas": 0})
    made.reconcile()
    assert made.ready == ("True", "Serving")
    assert made.status["release"]["stable"] == A
