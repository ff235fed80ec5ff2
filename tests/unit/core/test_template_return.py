"""Pods that do not start are put back as they were, and stay rejected."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgewise.api.names import PROVEN_ANNOTATION
from tests.unit.core.podchanges import CRASHES, NEW, WORSE, changed, renewed
from tests.unit.core.rollouts import SOAK, after, fleet, restart, stage


@pytest.mark.parametrize("text", [None, "{}"], ids=["of an older operator", "damaged by hand"])
def test_a_daemon_set_that_does_not_know_its_last_good_template_learns_it_and_restarts_nothing(
    text: str | None,
) -> None:
    made = fleet()
    pods, annotations = dict(made.pods), made.children["DaemonSet", "digits-cpu"]["metadata"]["annotations"]
    before = annotations.pop(PROVEN_ANNOTATION)
    annotations |= {PROVEN_ANNOTATION: text} if text is not None else {}
    after(made, 0)
    assert made.pods == pods
    assert made.children["DaemonSet", "digits-cpu"]["metadata"]["annotations"][PROVEN_ANNOTATION] == before


def test_an_image_that_does_not_start_is_put_back_at_once() -> None:
    made = fleet()
    made.spoilt[NEW] = CRASHES
    made.edit(serving={"image": NEW})
    for _ in range(12):
        made.reconcile()
        assert len(renewed(made)) <= 1
        made.live()
    assert (renewed(made), len(made.served())) == (set(), 6)
    assert made.ready == ("False", "PodsRejected")
    rejected = made.status["release"]["rejected"]
    message = made.status["conditions"][0]["message"]
    assert [one[:5] for one in rejected] == ["pods-"]
    assert CRASHES in message
    assert f"spec.rollout.retry: {rejected[0]}" in message
    assert "6 of 6 nodes have pods as they were" in message
    assert [one["type"] for one in made.status["conditions"]] == ["Ready", "Stalled"]


@pytest.mark.parametrize(
    "trouble",
    [
        CRASHES,
        "Unschedulable: 0/6 nodes are available: 1 Insufficient memory",
        "RunContainerError: exec: no such file",
        "OutOfmemory: Node didn't have enough resource",
    ],
)
def test_whatever_keeps_new_pods_from_starting_speaks_against_them(trouble: str) -> None:
    made = fleet()
    made.spoilt[NEW] = trouble
    changed(made)
    assert made.ready == ("False", "PodsRejected")
    assert len(made.served()) == 6


def test_a_new_pod_may_have_trouble_for_a_moment() -> None:
    """The scheduler has not heard yet that its predecessor is gone."""
    made = fleet()
    made.spoilt[NEW] = "Unschedulable: 0/6 nodes are available: 1 Insufficient memory"
    made.edit(serving={"image": NEW})
    for _ in range(4):
        made.reconcile()
        made.live()
        made.pods = {key: replace(pod, created=made.now) for key, pod in made.pods.items()}
    made.reconcile()
    assert made.ready == ("False", "WaitingForDevices")
    made.now += 15
    made.reconcile()
    assert made.ready == ("False", "PodsRejected")


def test_rejected_pods_stay_rejected_over_restarts_until_somebody_changes_or_forgives_them() -> None:
    made = fleet()
    made.spoilt |= {NEW: CRASHES, WORSE: CRASHES}
    changed(made)
    restart(made)
    after(made, SOAK)
    assert (renewed(made), made.ready) == (set(), ("False", "PodsRejected"))
    (first,) = made.status["release"]["rejected"]
    changed(made, WORSE)
    assert made.ready == ("False", "PodsRejected")
    assert made.status["release"]["rejected"][0] == first
    assert len(made.status["release"]["rejected"]) == 2
    made.spoilt.clear()
    changed(made, NEW, retry=first)
    assert (len(renewed(made)), stage(made)) == (1, (1, "Soaking"))


def test_taking_the_change_back_ends_the_rejection() -> None:
    made = fleet()
    made.spoilt[NEW] = CRASHES
    changed(made)
    made.edit(serving={})
    after(made, 0)
    assert made.ready == ("True", "Serving")


def test_former_pods_come_back_exactly_as_they_were() -> None:
    """Not only their image: nothing of the change is left in them."""
    made = fleet()
    before = made.children["DaemonSet", "digits-cpu"]["spec"]["template"]
    made.spoilt[NEW] = CRASHES
    made.edit(
        serving={"image": NEW, "hostPort": 8000, "resources": {"requests": {"memory": "3Gi"}}},
        placement={"tolerations": [{"key": "edge", "operator": "Exists"}]},
    )
    after(made, 0)
    assert made.ready == ("False", "PodsRejected")
    assert made.children["DaemonSet", "digits-cpu"]["spec"]["template"] == before


def test_without_rollback_on_failure_it_only_stops() -> None:
    made = fleet(rollbackOnFailure=False)
    made.spoilt[NEW] = CRASHES
    changed(made, rollbackOnFailure=False)
    after(made, SOAK)
    assert made.ready == ("False", "TooManyFailed")
    assert (len(renewed(made)), len(made.served())) == (1, 5)
    assert "rejected" not in made.status["release"]


def test_former_pods_that_do_not_start_either_are_said_so_and_nothing_else_is_tried() -> None:
    made = fleet()
    made.spoilt[NEW] = CRASHES
    made.edit(serving={"image": NEW})
    for _ in range(4):
        made.reconcile()
        made.live()
    made.spoilt["ghcr.io/edgewise/cpu:0.1.0"] = CRASHES
    after(made, 0)
    assert made.ready == ("False", "ReturnFailed")
    pods = dict(made.pods)
    after(made, SOAK)
    assert made.pods == pods
