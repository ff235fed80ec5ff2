"""What a decision gets to see: of refused pods as long as it is true, of gateways apart from devices."""

from __future__ import annotations

from typing import Any

import pytest

from edgewise.api.names import DEPLOYMENT_LABEL, GATEWAY_ROLE, ROLE_LABEL
from edgewise.cluster.store import Store
from edgewise.contract.plan import DeploymentRef
from edgewise.contract.report import Report
from edgewise.controller.gather import Gatherer
from edgewise.controller.keys import Key
from edgewise.controller.reportbook import ReportBook
from edgewise.core.observed import Settings
from tests.unit import bodies

QUOTA = "Error creating: forbidden: exceeded quota"
WORKLOAD = "digits-generic-arm64"
BEFORE, AFTER = "2026-01-01T09:00:00Z", "2026-01-01T11:00:00Z"  # the pod is of 10:00

CASES: dict[str, tuple[list[dict[str, Any]], dict[str, str]]] = {
    "no pod was ever refused": ([bodies.pod()], {}),
    "no pod could be made": ([bodies.refusal(WORKLOAD, AFTER)], {WORKLOAD: QUOTA}),
    "a pod was made after the refusal": ([bodies.refusal(WORKLOAD, BEFORE), bodies.pod()], {}),
    "the next pod was refused": ([bodies.refusal(WORKLOAD, AFTER), bodies.pod()], {WORKLOAD: QUOTA}),
    "pods of another workload are refused": ([bodies.refusal("theirs", AFTER)], {}),
}


@pytest.mark.parametrize(("world", "refused"), CASES.values(), ids=CASES)
def test_refused(world: list[dict[str, Any]], refused: dict[str, str]) -> None:
    store = Store()
    for body in (bodies.deployment(), bodies.daemon_set(), *world):
        store.put(body)
    observed = Gatherer(store, ReportBook(), Settings).deployment(Key("EdgeDeployment", "edge", "digits"))
    assert observed is not None
    assert observed.refused == refused


def test_a_model_that_cannot_be_read_is_told_apart_from_one_that_is_not_there() -> None:
    store = Store()
    for body in (bodies.deployment(), bodies.model("good"), {**bodies.model("bad"), "spec": {"version": "two"}}):
        store.put(body)
    observed = Gatherer(store, ReportBook(), Settings).deployment(Key("EdgeDeployment", "edge", "digits"))
    assert observed is not None
    assert observed.models.keys() == {"good"}
    assert observed.invalid_models["bad"].startswith("spec.version: String should match pattern")
    assert not observed.complete, "nothing was listed yet"


def test_a_gateways_pods_and_reports_are_nobodys_devices() -> None:
    store, book = Store(), ReportBook()
    gateway = {**bodies.pod("stand-in"), "spec": {"nodeName": "cloud"}}
    gateway["metadata"]["labels"] = {DEPLOYMENT_LABEL: "digits", ROLE_LABEL: GATEWAY_ROLE}
    workload = {**bodies.daemon_set("digits-gateway"), "kind": "Deployment"}
    workload["metadata"]["labels"] = {ROLE_LABEL: GATEWAY_ROLE}
    selector = {ROLE_LABEL: GATEWAY_ROLE}
    for body in (bodies.deployment(), bodies.daemon_set(), workload, bodies.pod("device"), gateway):
        store.put(body)
    store.put(bodies.service(clusterIP="10.43.0.7", selector=selector))
    store.put(bodies.refusal("digits-gateway", AFTER))
    for pod in ("device", "stand-in"):
        book.enter(report(pod), 0)
    observed = Gatherer(store, book, Settings).deployment(Key("EdgeDeployment", "edge", "digits"))
    assert observed is not None
    assert [pod.name for pod in observed.pods] == [*observed.reports] == ["device"]
    assert [pod.name for pod in observed.gateway.pods] == [*observed.gateway.reports] == ["stand-in"]
    assert [workload.ref.name for workload in observed.workloads] == [WORKLOAD]
    assert (observed.gateway.serving, observed.gateway.workload) == (True, True)
    assert (observed.gateway.refused, observed.refused) == (QUOTA, {})
    assert observed.cluster_ips == {"digits": "10.43.0.7"}


def test_other_deployments_are_collected_where_one_is_a_target() -> None:
    store, asking = Store(), bodies.deployment()
    targets = [{"name": "big", "deploymentRef": {"name": "big"}}]
    broken = {**bodies.deployment("broken"), "spec": {}}
    for body in (asking, bodies.deployment("big"), bodies.deployment("other"), broken):
        store.put(body)
    gatherer, key = Gatherer(store, ReportBook(), Settings), Key("EdgeDeployment", "edge", "digits")
    alone = gatherer.deployment(key)
    store.put({**bodies.deployment(version=2), "spec": {**asking["spec"], "escalation": {"targets": targets}}})
    asked = gatherer.deployment(key)
    assert alone is not None
    assert asked is not None
    assert (set(alone.peers), set(asked.peers)) == (set(), {"big", "other"})


def report(pod: str) -> Report:
    who = DeploymentRef(namespace="edge", name="digits", uid="uid-digits")
    return Report(deployment=who, pod=pod, node="pi-1", profile="", boot="b", sequence=1, release="r")
