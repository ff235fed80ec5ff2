"""The first release, the steady state, what devices send: one deployment in the world in miniature."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.names import Reason
from edgewise.contract.report import AccessReport
from edgewise.core.deployment import decide
from edgewise.core.observed import Settings
from tests.unit.core.builders import (
    NOW,
    ONNX_INT8,
    anywhere,
    build,
    deployment,
    model,
    node,
    observed,
    profile,
    report,
    reports,
)
from tests.unit.core.fleets import CPU, JETSON, PI, V2, A, B, kinds, nodes, settled
from tests.unit.core.world import World, world


def test_the_first_look_writes_every_child_in_the_order_in_which_one_needs_the_other() -> None:
    plan = world(PI).reconcile()
    assert kinds(plan) == [
        "Service/digits",
        "Service/digits-local",
        f"ControllerRevision/digits-release-{A}",
        "ConfigMap/digits-plan",
        "DaemonSet/digits-cpu",
    ]
    assert plan.requeue_after is not None


def test_at_first_it_is_starting_and_nothing_is_promoted() -> None:
    made = world(PI)
    made.reconcile()
    assert made.ready == ("False", "Starting")
    assert made.plan is not None
    assert (made.plan.sequence, made.plan.stable, made.plan.target) == (1, None, A)
    assert made.status["release"] == {"target": A}


def test_it_is_ready_and_promoted_when_every_device_serves() -> None:
    made = settled(PI)
    assert made.ready == ("True", "Serving")
    assert nodes(made) == {"matched": 5, "ready": 5, "updated": 5}
    assert made.status["release"] == {"stable": A, "target": A}
    assert made.status["url"] == "http://digits.edge.svc:8000"
    assert made.status["localURL"] == "http://10.43.0.7:8000"
    assert made.status["profiles"] == [
        {"name": "cpu", "variant": "digits/fp32", "workload": "digits-cpu", "nodes": 5, "ready": 5, "reason": ""}
    ]


def test_a_first_release_waits_for_the_last_reachable_device() -> None:
    made = world(PI)
    made.broken = {("pi-3", A)}
    made.settle()
    assert made.ready == ("False", "LoadFailed")
    assert made.status["release"] == {"target": A}
    made.broken = set()
    made.settle()
    assert made.ready == ("True", "Serving")


def test_a_first_release_does_not_wait_for_offline_devices() -> None:
    made = world(PI)
    made.cut("pi-1", "pi-2")
    made.settle()
    assert made.ready == ("True", "Serving")
    assert nodes(made) == {"matched": 5, "ready": 3, "updated": 3, "offline": 2}


def test_all_devices_offline_is_no_reason_to_promote() -> None:
    made = world(PI)
    made.cut(*made.nodes)
    made.settle()
    assert made.ready == ("False", "Starting")
    assert made.status["release"] == {"target": A}


def test_in_the_steady_state_a_look_changes_nothing() -> None:
    made = settled(PI, [CPU, JETSON], [model("digits", build(), build("int8", ONNX_INT8))])
    before = made.observed()
    plan = decide(before, NOW + 3600)
    assert all(made.children[one["kind"], one["metadata"]["name"]] == one for one in plan.apply)
    assert plan.status == made.status
    assert (plan.events, plan.prune, plan.delete, plan.pokes) == ((), (), (), ())
    assert plan.requeue_after is None


def test_after_a_restart_of_the_operator_nothing_changes_though_no_report_has_come() -> None:
    made = settled(PI)
    before = made.status
    made.reports.clear()
    plan = made.reconcile()
    assert made.status == before
    assert (plan.events, plan.pokes) == ((), ())


@pytest.mark.parametrize("reason", ["", "no reason!", "x" * 300, "LoadFailed\n"])
def test_no_device_can_break_the_status_by_what_it_reports(reason: str) -> None:
    made = settled(PI)
    made.release(V2)
    made.reconcile()
    (name, one) = next(iter(made.pods.items()))
    made.reports |= reports(report(one, A, B, "Failed", reason, "y" * 100_000))
    made.reconcile()
    assert made.ready == ("False", "LoadFailed")
    assert name == "digits-cpu-pi-1"


def test_a_status_stays_within_its_limits_whatever_the_cluster_has() -> None:
    profiles = tuple(anywhere(f"p{i:03}", ONNX_INT8) for i in range(100))
    seen = observed(profiles=profiles, nodes=(node(),), models=[model("digits", build("b" * 63))])
    status = decide(seen, NOW).status
    assert status is not None
    assert len(status["profiles"]) == 64
    EdgeDeployment.model_validate({**deployment().wire(), "status": status})


def test_without_any_image_a_profile_says_what_is_missing() -> None:
    seen = observed(settings=Settings())
    status = decide(seen, NOW).status
    assert status is not None
    assert status["profiles"][0]["reason"] == (
        "the operator has no runtime image 'cpu'; set runtimeImages.cpu in the chart"
    )
    assert status["conditions"][0]["reason"] == "NoFittingBuild"


def test_a_device_that_fell_back_to_another_provider_is_told() -> None:
    made = settled(PI, [profile(runtime={"providers": ["CUDAExecutionProvider", "CPUExecutionProvider"]})])
    made.reports |= reports(
        *(report(one, A, provider="CPUExecutionProvider", sequence=9) for one in made.pods.values())
    )
    made.reconcile()
    assert made.status["profiles"][0]["reason"] == "runs on CPUExecutionProvider instead of CUDAExecutionProvider"


TLS = {"auth": {"certificateSecretRef": {"name": "digits-tls"}}}


def test_with_a_certificate_its_addresses_say_so() -> None:
    made = settled(PI, serving=TLS)
    assert (made.status["url"], made.status["localURL"]) == ("https://digits.edge.svc:8000", "https://10.43.0.7:8000")


def shut(made: World, *names: str) -> None:
    """Their Secret is missing: they admit nobody, and say why."""
    for name in names:
        made.pods[name] = closed = replace(made.pods[name], ready=False)
        problem = "no certificate in /etc/edgewise/access/certificate/digits-tls"
        made.reports |= reports(report(closed, A, access=AccessReport(demands=["Certificate"], problem=problem)))


def test_a_device_without_the_secrets_it_needs_is_told_by_name() -> None:
    made = settled(PI, serving=TLS)
    name = min(made.pods)
    shut(made, name)
    made.reconcile()
    assert "digits-tls" in made.status["conditions"][0]["message"]
    assert made.status["profiles"][0]["reason"] == (
        f"AccessNotReady: {made.pods[name].node}: no certificate in /etc/edgewise/access/certificate/digits-tls"
    )


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        (Reason.HELD, "2.0.0 is here and waits: held by a file at the device (welding), until 2026-11-21T14:00Z"),
        (Reason.WINDOW_CLOSED, "2.0.0 is here and waits: rollout.window opens at 2026-11-22T02:00+01:00"),
    ],
)
def test_whoever_wonders_why_a_device_is_behind_is_told_who_holds_it(reason: str, message: str) -> None:
    made = settled(PI)
    name = min(made.pods)
    made.reports |= reports(report(made.pods[name], B, A, "Pending", reason, message))
    made.reconcile()
    assert made.status["profiles"][0]["reason"] == f"{reason}: {made.pods[name].node}: {message}"
    assert made.status["nodes"].get("failed", 0) == 0


def test_a_device_that_cannot_ask_a_target_serves_and_the_missing_secret_is_told_by_name() -> None:
    made = settled(PI)
    name = min(made.pods)
    missing = {"cloud": "Secret triton-ca is missing"}
    made.reports |= reports(report(made.pods[name], A, targets=missing))
    made.reconcile()
    assert made.ready == ("True", "TargetNotReady")
    said = f"{made.pods[name].node}: target cloud is not asked: Secret triton-ca is missing"
    assert made.status["conditions"][0]["message"].endswith(said)
    assert made.status["profiles"][0]["reason"] == f"TargetNotReady: {said}"
    made.reports |= reports(report(made.pods[name], A))
    made.reconcile()
    assert made.ready == ("True", "Serving")


def test_a_first_release_that_can_admit_nobody_is_not_ready_for_that_reason() -> None:
    made = world(PI, serving=TLS)
    made.reconcile()
    made.live()
    shut(made, *made.pods)
    made.reconcile()
    assert made.ready == ("False", "AccessNotReady")


def test_a_deployment_that_gets_a_guard_says_so_until_no_open_pod_is_left() -> None:
    made = settled(PI)
    made.edit(serving=TLS)
    made.reconcile()
    assert "does not demand Certificate of clients" in made.status["conditions"][0]["message"]
    made.settle(rounds=20)
    assert made.ready == ("True", "Serving")
    assert "demand" not in made.status["conditions"][0]["message"]


def test_an_image_that_is_too_old_to_guard_itself_does_not_stay_ready() -> None:
    made = settled(PI, serving=TLS)
    made.reports |= reports(*(report(one, A, sequence=9) for one in made.pods.values()))
    made.reconcile()
    made.now += 601
    made.reconcile()
    assert made.ready == ("False", "AccessNotReady")


def test_a_guard_that_goes_holds_nothing_back() -> None:
    made = settled(PI, serving=TLS)
    made.edit(serving={})
    made.reconcile()
    assert made.ready[0] == "True"
