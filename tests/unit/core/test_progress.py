from __future__ import annotations

from typing import Any

import pytest

from edgewise.contract.report import AccessReport
from edgewise.core.observed import Pod, ReceivedReport
from edgewise.core.progress import Goal, NodeProgress, behind, progress, replicas_progress
from tests.unit.core.builders import deployment, model, node, observed, pod, report, reports, signed

OLD, NEW = "1.0.0-old", "2.0.0-new"
ROLLING, SETTLED = Goal(NEW, settled=False), Goal(NEW, settled=True)
POD, SICK = pod(), pod(ready=False, problem="ImagePullBackOff: cannot pull it")


def seen(pods: list[Pod], *received: ReceivedReport, goal: Goal = ROLLING, **more: Any) -> NodeProgress:
    """Of the only node."""
    (device,) = progress(observed(pods=tuple(pods), reports=reports(*received), **more), {"pi-1": "cpu"}, goal)
    return device


def device(state: Any, **rest: Any) -> NodeProgress:
    return NodeProgress("pi-1", "cpu", state, **rest)


@pytest.mark.parametrize(
    ("pods", "received", "goal", "expected"),
    [
        pytest.param([], [], ROLLING, device("starting", message="no pod yet"), id="no pod"),
        pytest.param(
            [pod(profile="jetson")], [], ROLLING, device("starting", message="no pod yet"), id="another profile's"
        ),
        pytest.param(
            [SICK], [], ROLLING, device("starting", message="ImagePullBackOff: cannot pull it"), id="a pod in trouble"
        ),
        pytest.param([POD], [], ROLLING, device("waiting", ready=True), id="mid-rollout a ready pod must report"),
        pytest.param([POD], [], SETTLED, device("updated", ready=True), id="settled, a ready pod is trusted"),
        pytest.param(
            [POD], [report(POD, NEW, provider="CUDAExecutionProvider")], ROLLING,
            device("updated", ready=True, provider="CUDAExecutionProvider"), id="it serves the target",
        ),
        pytest.param(
            [POD], [report(POD, NEW, NEW, "Ready", "AcceleratorLost", "unplugged", provider="CPU")], ROLLING,
            device("updated", ready=True, reason="AcceleratorLost", message="unplugged", provider="CPU"),
            id="its accelerator is gone, and the CPU serves",
        ),
        pytest.param(
            [SICK], [report(SICK, NEW, NEW, "Failed", "AcceleratorLost", "unplugged")], ROLLING,
            device("starting", reason="AcceleratorLost", message="unplugged"),
            id="its accelerator is gone, and it may not serve without",
        ),
        pytest.param(
            [POD], [report(POD, NEW, NEW, "Failed", "SignatureInvalid", "the key is gone")], SETTLED,
            device("updated", ready=True, reason="SignatureInvalid", message="the key is gone"),
            id="it serves, and would not take it again",
        ),
        pytest.param(
            [SICK], [report(SICK, NEW)], ROLLING,
            device("starting", message="ImagePullBackOff: cannot pull it"), id="it served, its pod is ill now",
        ),
        pytest.param([POD], [report(POD, OLD)], ROLLING, device("working", ready=True), id="it does not know yet"),
        pytest.param(
            [POD], [report(POD, OLD)], SETTLED, device("working", ready=True), id="settled, its word still counts"
        ),
        pytest.param(
            [POD], [report(POD, OLD, NEW, "Downloading")], ROLLING, device("working", ready=True), id="it downloads"
        ),
        pytest.param(
            [POD], [report(POD, OLD, NEW, "Downloading", "SourceUnreachable", "no route")], ROLLING,
            device("working", ready=True, reason="SourceUnreachable", message="no route"), id="it cannot download",
        ),
        pytest.param(
            [POD], [report(POD, OLD, NEW, "Downloading", "made up!", "?")], ROLLING,
            device("working", ready=True), id="a reason nobody knows is no reason",
        ),
        pytest.param(
            [POD], [report(POD, OLD, NEW, "Failed", "HashMismatch", "expected ab, got cd")], ROLLING,
            device("failed", ready=True, reason="HashMismatch", message="expected ab, got cd"), id="it failed",
        ),
        pytest.param(
            [POD], [report(POD, OLD, NEW, "Failed")], ROLLING,
            device("failed", ready=True, reason="LoadFailed"), id="it failed and does not say why",
        ),
        pytest.param(
            [POD], [report(POD, OLD, NEW, "Failed", "made up!", "?")], ROLLING,
            device("failed", ready=True, reason="LoadFailed", message="?"), id="it failed for a reason nobody knows",
        ),
        pytest.param(
            [POD], [report(POD, OLD, OLD, "Failed", "LoadFailed", "of long ago")], ROLLING,
            device("working", ready=True), id="what failed was another release",
        ),
    ],
)  # fmt: skip
def test_a_device_stands_where_pod_and_report_say(
    pods: list[Pod], received: list[ReceivedReport], goal: Goal, expected: NodeProgress
) -> None:
    assert seen(pods, *received, goal=goal) == expected


def test_a_node_the_cluster_cannot_reach_is_offline_whatever_was_reported() -> None:
    assert seen([POD], report(POD, NEW), nodes=(node(ready=False),)) == device("offline")


def test_a_node_that_was_deleted_from_the_cluster_is_offline() -> None:
    assert seen([POD], nodes=()) == device("offline")


def test_while_a_pod_is_replaced_its_successor_counts() -> None:
    leaving, coming = pod(name="old", deleting=True), pod(name="new", ready=False, problem="Pulling")
    assert seen([coming, leaving], goal=SETTLED) == device("starting", message="Pulling")


def test_until_there_is_a_successor_the_leaving_pod_counts() -> None:
    assert seen([pod(deleting=True)], goal=SETTLED).state == "updated"


def test_of_two_pods_the_ready_one_counts() -> None:
    assert seen([pod(name="a"), pod(name="b", ready=False)], goal=SETTLED).state == "updated"


def test_a_pod_of_another_profile_does_not_hide_the_right_one() -> None:
    right = pod(ready=False, problem="Pulling")
    assert seen([right, pod(profile="jetson")]) == device("starting", message="Pulling")


def test_a_pod_without_a_node_is_no_nodes_pod() -> None:
    assert seen([pod(on="")]).message == "no pod yet"


def test_devices_come_sorted_by_name() -> None:
    placed = {"b": "cpu", "a": "jetson", "c": "cpu"}
    assert [one.name for one in progress(observed(), placed, ROLLING)] == ["a", "b", "c"]


def replicas(count: int, *pods: Pod, received: tuple[ReceivedReport, ...] = (), **more: Any) -> list[tuple[str, str]]:
    wanted = deployment(placement={"mode": "Replicas", "replicas": count})
    found = replicas_progress(observed(wanted, pods=pods, reports=reports(*received), **more), ROLLING)
    return [(one.name, one.state) for one in found]


def test_each_wanted_replica_counts_once_the_furthest_along_first() -> None:
    new, old = pod(name="new"), pod(name="old", ready=False)
    assert replicas(3, old, new, received=(report(new, NEW),)) == [
        ("new", "updated"), ("old", "starting"), ("replica-2", "starting"),
    ]  # fmt: skip
    assert replicas(1, old, new, received=(report(new, NEW),)) == [("new", "updated")]


def test_a_leaving_replica_does_not_count() -> None:
    assert replicas(1, pod(name="old", deleting=True)) == [("replica-0", "starting")]


def test_a_replica_on_a_node_out_of_reach_is_offline_and_one_without_a_node_is_starting() -> None:
    cut, pending = pod(name="cut"), pod(on="", name="pending", ready=False)
    assert replicas(2, cut, pending, nodes=(node(ready=False),)) == [("cut", "offline"), ("pending", "starting")]


def test_no_replica_wanted_is_no_device() -> None:
    assert replicas(0, pod()) == []


@pytest.mark.parametrize(
    ("one", "received", "settled", "expected"),
    [
        pytest.param(pod(), [report(pod(), OLD, sequence=4)], False, True, id="it follows an older plan"),
        pytest.param(pod(), [report(pod(), OLD, sequence=4)], True, True, id="settled or not"),
        pytest.param(pod(), [report(pod(), OLD, sequence=5)], False, False, id="it follows this plan"),
        pytest.param(pod(), [report(pod(), OLD, sequence=6)], False, False, id="it saw a newer one already"),
        pytest.param(pod(), [], False, True, id="mid-rollout a silent pod is asked"),
        pytest.param(pod(), [], True, False, id="settled, a silent pod is left to its interval"),
        pytest.param(pod(ip=""), [], False, False, id="a pod without an address cannot be asked"),
        pytest.param(pod(deleting=True), [], False, False, id="a leaving pod is not asked"),
        pytest.param(pod(on="gone"), [], False, False, id="nor one on a node out of reach"),
    ],
)
def test_pods_that_are_behind_get_a_poke(
    one: Pod, received: list[ReceivedReport], settled: bool, expected: bool
) -> None:
    late = behind(observed(pods=(one,), reports=reports(*received)), 5, settled)
    assert (late == [one]) is expected


SIGNED = model(verification=signed())


@pytest.mark.parametrize(
    ("signer", "state"), [("", "working"), ("e8450dec4eb9", "updated")], ids=["nobody was asked for one", "alice's"]
)
def test_a_device_that_shows_no_signature_of_a_signed_model_has_not_arrived(signer: str, state: str) -> None:
    """An image from before there were signatures would load anything."""
    found = seen([POD], report(POD, NEW, NEW, "Ready", signer=signer), models=[SIGNED])
    assert found.state == state
    assert found.reason == ("" if signer else "SignatureInvalid")


def test_a_device_that_does_not_ask_a_target_serves_on_and_says_why() -> None:
    targets = {"region": "Secret region is missing", "cloud": "Secret ca is missing"}
    message = "target cloud is not asked: Secret ca is missing; target region is not asked: Secret region is missing"
    expected = device("updated", ready=True, reason="TargetNotReady", message=message)
    assert seen([POD], report(POD, NEW, targets=targets)) == expected
    ill = device("starting", message="ImagePullBackOff: cannot pull it")
    assert seen([SICK], report(SICK, NEW, targets=targets)) == ill


GUARDED = deployment(
    serving={"auth": {"tokenSecretRef": {"name": "clients"}, "certificateSecretRef": {"name": "digits-tls"}}}
)


@pytest.mark.parametrize(
    ("on", "access", "expected"),
    [
        pytest.param(
            POD, AccessReport(demands=["Token", "Certificate"]), device("updated", ready=True), id="as it should"
        ),
        pytest.param(
            POD, AccessReport(demands=["Token", "Certificate", "ClientCertificate"]), device("updated", ready=True),
            id="more than it has to: its pod is to be replaced",
        ),
        pytest.param(
            SICK, AccessReport(demands=["Token", "Certificate"], problem="no tokens in clients"),
            device("starting", reason="AccessNotReady", message="no tokens in clients"), id="it admits nobody",
        ),
        pytest.param(
            POD, AccessReport(demands=["Token", "Certificate"], problem="not usable: the token of gate"),
            device("updated", ready=True, reason="AccessNotReady", message="not usable: the token of gate"),
            id="it does not admit everybody",
        ),
    ],
)  # fmt: skip
def test_a_guarded_device_says_whom_it_lets_in(on: Pod, access: AccessReport, expected: NodeProgress) -> None:
    assert seen([on], report(on, NEW, access=access), deployment=GUARDED) == expected


@pytest.mark.parametrize("access", [None, AccessReport(demands=["Token"])], ids=["anybody", "with a token, over HTTP"])
def test_a_device_that_demands_less_than_it_should_is_not_there_yet(access: AccessReport | None) -> None:
    found = seen([POD], report(POD, NEW, access=access), deployment=GUARDED)
    assert (found.state, found.reason) == ("working", "AccessNotReady")
    assert "does not demand" in found.message
    assert "Certificate" in found.message
