"""The whole operator, as a process, against a real API server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from edgewise.controller.catalogue import packaged
from tests.apiserver.kinds import install_kinds
from tests.apiserver.operator.process import OperatorProcess, operator
from tests.apiserver.operator.relay import Relay
from tests.cases.manifests import SMALL_DEPLOYMENT, SMALL_MODEL, Manifest
from tests.cluster.apiserver import ApiServer, api_server
from tests.cluster.client import ApiError

pytestmark = pytest.mark.apiserver
LEASE = "/apis/coordination.k8s.io/v1/namespaces/edgewise-system/leases/edgewise-operator"
EDGE = "/apis/edgewise.dev/v1alpha1"
PROFILES = f"{EDGE}/deviceprofiles"


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    """One that nobody else writes to."""
    with api_server(controllers="namespace,garbage-collector,serviceaccount") as api:
        install_kinds(api.client)
        api.client.post("/api/v1/namespaces", {"metadata": {"name": "edgewise-system"}})
        yield api


def add_node(api: ApiServer, name: str) -> None:
    labels = {"kubernetes.io/arch": "arm64", "edgewise.dev/device": "raspberry-pi-4"}
    status = {"allocatable": {"memory": "8Gi"}, "conditions": [{"type": "Ready", "status": "True"}]}
    api.client.post("/api/v1/nodes", {"metadata": {"name": name, "labels": labels}, "status": status})


def profiles_of(api: ApiServer, node: str) -> set[str]:
    labels = api.client.get(f"/api/v1/nodes/{node}")["metadata"]["labels"]
    return {key.rpartition("/")[2] for key in labels if key.startswith("profile.edgewise.dev/")}


def test_it_applies_the_catalogue_labels_nodes_counts_them_and_then_writes_nothing_more(
    api: ApiServer, tmp_path: Path
) -> None:
    add_node(api, "pi-1")
    with operator(api, "first", tmp_path / "log") as running:
        running.until("pi-1 has its profiles", lambda: profiles_of(api, "pi-1") == {"raspberry-pi-4", "generic-arm64"})
        for profile in ("raspberry-pi-4", "generic-arm64"):
            running.until(f"the node is counted as {profile}", partial(_counted, api, profile))
        assert {item["metadata"]["name"] for item in api.client.get(PROFILES)["items"]} == {
            profile["metadata"]["name"] for profile in packaged()
        }
        running.until("everything was looked at", running.settled)
        assert running.healthy()
        assert running.metric("edgewise_nodes") == 1
        assert running.metric("edgewise_operator_leader") == 1
        assert "cannot go on" not in running.messages()
        running.until("it writes nothing but its lease", Silence(running).lasted)


def test_a_second_start_writes_nothing_and_stops_in_time_leaving_the_lease_free(api: ApiServer, tmp_path: Path) -> None:
    with operator(api, "before", tmp_path / "before") as running:
        running.until("everything was looked at", running.settled)
        assert running.stop() == 0
    with operator(api, "again", tmp_path / "log") as running:
        running.until("everything was looked at", running.settled)
        assert running.writes() == {}
        assert running.stop() == 0
    assert api.client.get(LEASE)["spec"]["holderIdentity"] == ""


def test_of_two_operators_one_works_and_the_other_takes_over_when_it_stops(api: ApiServer, tmp_path: Path) -> None:
    with operator(api, "one", tmp_path / "one") as one:
        one.until("one leads", lambda: one.metric("edgewise_operator_leader") == 1)
        with operator(api, "two", tmp_path / "two") as two:
            two.until("two waits", lambda: "waiting: another operator leads" in two.messages())
            assert two.healthy(), "to wait is no illness"
            assert one.stop() == 0
            two.until("two leads", lambda: two.metric("edgewise_operator_leader") == 1)


def test_an_edge_deployment_gets_its_children_a_status_and_its_children_back(api: ApiServer, tmp_path: Path) -> None:
    add_node(api, "pi-4")
    create(api, "edge", SMALL_MODEL, SMALL_DEPLOYMENT)
    with operator(api, "maker", tmp_path / "log") as running:
        running.until("the DaemonSet is there", lambda: names(api, "edge", "daemonsets") == {"digits-raspberry-pi-4"})
        running.until("the status tells of it", lambda: _reason(api, "edge") == "Starting")
        assert names(api, "edge", "services") == {"digits", "digits-local"}
        api.client.raw("DELETE", "/api/v1/namespaces/edge/services/digits-local")
        running.until("the Service is back", lambda: "digits-local" in names(api, "edge", "services"))
        running.until("the status has its new address", lambda: _local_url(api) == _local_address(api))
        api.client.post("/api/v1/namespaces/edge/events", refusal("digits-raspberry-pi-4"))
        running.until("the status says that pods are refused", lambda: _reason(api, "edge") == "PodsRefused")
        running.until("it writes nothing but its lease", Silence(running).lasted)


def test_namespaces_that_it_does_not_serve_are_left_alone(api: ApiServer, tmp_path: Path) -> None:
    create(api, "served", SMALL_MODEL, SMALL_DEPLOYMENT)
    create(api, "unserved", SMALL_MODEL, SMALL_DEPLOYMENT)
    with operator(api, "narrow", tmp_path / "log", EDGEWISE_WATCH_NAMESPACES="served") as running:
        running.until("the DaemonSet is there", lambda: bool(names(api, "served", "daemonsets")))
        running.until("nothing waits", running.settled)
    assert names(api, "unserved", "daemonsets") == set()
    assert "conditions" not in api.client.get(f"{EDGE}/namespaces/unserved/edgedeployments/digits")["status"]


def test_a_node_that_loses_its_label_while_nobody_works_gets_it_back(api: ApiServer, tmp_path: Path) -> None:
    add_node(api, "pi-2")
    with operator(api, "a", tmp_path / "a") as running:
        running.until("pi-2 has its profiles", lambda: "raspberry-pi-4" in profiles_of(api, "pi-2"))
    api.client.patch("/api/v1/nodes/pi-2", {"metadata": {"labels": {"profile.edgewise.dev/raspberry-pi-4": None}}})
    with operator(api, "b", tmp_path / "b") as running:
        running.until("pi-2 has it again", lambda: "raspberry-pi-4" in profiles_of(api, "pi-2"))


async def test_a_cut_link_to_the_api_server_is_lived_through(api: ApiServer, tmp_path: Path) -> None:
    async with Relay(api.url) as link:
        direct = api.kubeconfig_for("cut-off", "system:masters")
        relayed = tmp_path / "kubeconfig"
        relayed.write_text(direct.read_text().replace(api.url, link.url))
        with operator(api, "cut-off", tmp_path / "log", relayed) as running:
            await _until(running, "it works", running.settled)
            await link.cut()
            add_node(api, "pi-3")
            await _until(
                running, "it notices", lambda: running.metric("edgewise_operator_api_requests_total", code="0") > 0
            )
            await link.mend()
            await _until(running, "pi-3 has its profiles", lambda: "raspberry-pi-4" in profiles_of(api, "pi-3"))


def test_without_the_kinds_it_ends_and_says_what_is_missing(apiserver: ApiServer, tmp_path: Path) -> None:
    with contextlib.suppress(ApiError):  # another test may have made it
        apiserver.client.post("/api/v1/namespaces", {"metadata": {"name": "edgewise-system"}})
    with operator(apiserver, "lost", tmp_path / "log") as running:
        assert running.process.wait(60) == 1
        assert "edgewise.dev" in running.log.read_text()
        assert "install" in running.log.read_text()


def create(api: ApiServer, namespace: str, *manifests: Manifest) -> None:
    """Manifests in a namespace of their own."""
    api.client.post("/api/v1/namespaces", {"metadata": {"name": namespace}})
    for manifest in manifests:
        api.client.post(f"{EDGE}/namespaces/{namespace}/{manifest['kind'].lower()}s", manifest)


def refusal(workload: str) -> Manifest:
    """As the DaemonSet controller tells that it may not make pods."""
    about = {"apiVersion": "apps/v1", "kind": "DaemonSet", "namespace": "edge", "name": workload}
    words = {"reason": "FailedCreate", "type": "Warning", "message": "Error creating: forbidden: exceeded quota"}
    return {"metadata": {"name": "refusal"}, "involvedObject": about, "lastTimestamp": "2099-01-01T00:00:00Z", **words}


def names(api: ApiServer, namespace: str, plural: str) -> set[str]:
    group = "/api/v1" if plural == "services" else "/apis/apps/v1"
    items = api.client.get(f"{group}/namespaces/{namespace}/{plural}")["items"]
    return {item["metadata"]["name"] for item in items}


def _local_url(api: ApiServer) -> str:
    return str(api.client.get(f"{EDGE}/namespaces/edge/edgedeployments/digits")["status"].get("localURL"))


def _local_address(api: ApiServer) -> str:
    return f"http://{api.client.get('/api/v1/namespaces/edge/services/digits-local')['spec']['clusterIP']}:8000"


def _reason(api: ApiServer, namespace: str) -> str:
    status = api.client.get(f"{EDGE}/namespaces/{namespace}/edgedeployments/digits")["status"]
    return next((c["reason"] for c in status.get("conditions", []) if c["type"] == "Ready"), "")


def _counted(api: ApiServer, profile: str) -> bool:
    return bool(api.client.get(f"{PROFILES}/{profile}").get("status", {}).get("nodes"))


class Silence:
    """Nothing written but the Lease, from one renewal (every 10 s) to the next."""

    def __init__(self, running: OperatorProcess) -> None:
        self._running = running
        self._writes = running.writes()
        self._since = running.renewals()

    def lasted(self) -> bool:
        if (writes := self._running.writes()) != self._writes:
            self._writes, self._since = writes, self._running.renewals()
        return self._running.renewals() >= self._since + 2


async def _until(running: OperatorProcess, what: str, holds: Callable[[], bool]) -> None:
    """In a thread: the relay needs the loop."""
    await asyncio.to_thread(running.until, what, holds)
