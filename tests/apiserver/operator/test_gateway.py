"""The whole operator moves a Service to the gateway and back, in a real API server; what it knows survives it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edgewise.api.names import DEPLOYMENT_LABEL, GATEWAY_ROLE, MANAGED_BY, PROFILE_LABEL, ROLE_LABEL, RUNTIME_ROLE
from tests.apiserver.kinds import install_kinds
from tests.apiserver.operator.process import OperatorProcess, operator
from tests.cases.manifests import SMALL_DEPLOYMENT, SMALL_MODEL, Manifest
from tests.cluster.apiserver import ApiServer, api_server
from tests.cluster.client import ApiError

pytestmark = pytest.mark.apiserver

EDGE = "/apis/edgewise.dev/v1alpha1"
PODS = "/api/v1/namespaces/edge/pods"
QUICK = {"takeOverAfter": "1s", "giveBackAfter": "1s"}
CLOUD = {"name": "cloud", "url": "http://triton.cloud.svc:8000"}


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    """One that nobody else writes to, with a device and a node that is none."""
    with api_server() as api:
        install_kinds(api.client)
        for namespace in ("edgewise-system", "edge"):
            api.client.post("/api/v1/namespaces", {"metadata": {"name": namespace}})
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        api.client.apply("/api/v1/namespaces/edge/serviceaccounts/default", account)
        add_node(api, "pi-1", **{"edgewise.dev/device": "raspberry-pi-4", "kubernetes.io/arch": "arm64"})
        add_node(api, "cloud-1")
        api.client.post(f"{EDGE}/namespaces/edge/edgemodels", in_edge(SMALL_MODEL))
        yield api


def _there(api: ApiServer, path: str) -> bool:
    try:
        return bool(api.client.get(path))
    except ApiError:
        return False


def add_node(api: ApiServer, name: str, **labels: str) -> None:
    status = {"allocatable": {"memory": "8Gi"}, "conditions": [{"type": "Ready", "status": "True"}]}
    api.client.post("/api/v1/nodes", {"metadata": {"name": name, "labels": labels}, "status": status})


def in_edge(body: Manifest, **metadata: Any) -> Manifest:
    return {**body, "metadata": {**body["metadata"], "namespace": "edge", **metadata}}


def deploy(api: ApiServer, name: str, *targets: Manifest, **more: Any) -> None:
    spec = {**SMALL_DEPLOYMENT["spec"], "escalation": {"targets": [*targets], "gateway": QUICK}, **more}
    body = {**in_edge(SMALL_DEPLOYMENT, name=name), "spec": spec}
    api.client.post(f"{EDGE}/namespaces/edge/edgedeployments", body)


def add_pod(api: ApiServer, deployment: str, role: str) -> str:
    """A pod that nobody runs, ready; its name."""
    name = f"{deployment}-{role}"
    labels = {MANAGED_BY: "edgewise", DEPLOYMENT_LABEL: deployment, ROLE_LABEL: role}
    annotations = {}
    if role == RUNTIME_ROLE:
        labels[PROFILE_LABEL] = "raspberry-pi-4"
        made = api.client.get(f"/apis/apps/v1/namespaces/edge/daemonsets/{deployment}-raspberry-pi-4")
        annotations = made["spec"]["template"]["metadata"]["annotations"]
    spec: Manifest = {"containers": [{"name": "c", "image": "i"}], "automountServiceAccountToken": False}
    spec |= {"nodeName": "pi-1" if role == RUNTIME_ROLE else "cloud-1"}
    metadata = {"name": name, "labels": labels, "annotations": annotations}
    api.client.post(PODS, {"metadata": metadata, "spec": spec})
    set_ready(api, name, True)
    return name


def set_ready(api: ApiServer, pod: str, ready: bool) -> None:
    conditions = [{"type": kind, "status": str(ready)} for kind in ("Ready", "ContainersReady")]
    api.client.patch(f"{PODS}/{pod}/status", {"status": {"conditions": conditions, "podIP": "127.0.0.1"}})


def leads_to(api: ApiServer, name: str, role: str) -> bool:
    found: str = api.client.get(f"/api/v1/namespaces/edge/services/{name}")["spec"]["selector"][ROLE_LABEL]
    return found == role


def status(api: ApiServer, name: str) -> Manifest:
    found: Manifest = api.client.get(f"{EDGE}/namespaces/edge/edgedeployments/{name}").get("status", {})
    return found


def reason(api: ApiServer, name: str) -> str:
    conditions = status(api, name).get("conditions", ())
    return next((entry["reason"] for entry in conditions if entry["type"] == "Ready"), "")


def made(api: ApiServer, name: str) -> bool:
    return _there(api, f"/apis/apps/v1/namespaces/edge/deployments/{name}-gateway")


def at_rest(running: OperatorProcess) -> None:
    running.until("everything was looked at", running.settled)


def test_the_service_moves_to_the_gateway_and_back(api: ApiServer, tmp_path: Path) -> None:
    deploy(api, "digits", CLOUD)
    labels = {"namespace": "edge", "deployment": "digits"}
    with operator(api, "mover", tmp_path / "log") as running:
        running.until("there is a gateway", partial(made, api, "digits"))
        device = add_pod(api, "digits", RUNTIME_ROLE)
        add_pod(api, "digits", GATEWAY_ROLE)
        running.until("it is counted", lambda: status(api, "digits")["gateway"]["ready"] == 1)
        running.until("devices serve", lambda: status(api, "digits")["servedBy"] == "Devices")
        set_ready(api, device, False)
        running.until("it has taken over", partial(leads_to, api, "digits", GATEWAY_ROLE))
        assert leads_to(api, "digits-local", RUNTIME_ROLE)
        running.until("it says so", lambda: status(api, "digits")["servedBy"] == "Gateway")
        assert running.metric("edgewise_deployment_served_by_gateway", **labels) == 1
        at_rest(running)
        before = running.writes()
        at_rest(running)
        assert running.writes() == before, "an outage costs no writes"
    with operator(api, "successor", tmp_path / "log") as running:
        at_rest(running)
        assert leads_to(api, "digits", GATEWAY_ROLE)
        set_ready(api, device, True)
        running.until("it has given back", partial(leads_to, api, "digits", RUNTIME_ROLE))
        running.until("it says so", lambda: "gaveBackAt" in status(api, "digits")["gateway"])
        said = api.client.get("/apis/events.k8s.io/v1/namespaces/edge/events")["items"]
        assert {"GatewayTookOver", "GatewayGaveBack"} <= {event["reason"] for event in said}


def test_a_gateway_that_is_no_longer_wanted_goes(api: ApiServer, tmp_path: Path) -> None:
    deploy(api, "secret", CLOUD)
    path = f"{EDGE}/namespaces/edge/edgedeployments/secret"
    with operator(api, "pruner", tmp_path / "log") as running:
        running.until("there is a gateway", partial(made, api, "secret"))
        api.client.patch(path, {"spec": {"escalation": {"privacy": "Never"}}})
        running.until("there is none", lambda: not made(api, "secret"))
        running.until("it says so", lambda: "servedBy" not in status(api, "secret"))


def test_a_target_that_comes_or_changes_is_noticed_by_those_who_ask_it(api: ApiServer, tmp_path: Path) -> None:
    deploy(api, "asker", {"name": "big", "deploymentRef": {"name": "asked"}})
    with operator(api, "router", tmp_path / "log") as running:
        running.until("nobody is there", lambda: reason(api, "asker") == "TargetNotFound")
        deploy(api, "asked", CLOUD)
        running.until("somebody is", lambda: reason(api, "asker") == "Starting")
        path = f"{EDGE}/namespaces/edge/edgedeployments/asked"
        token = {"auth": {"tokenSecretRef": {"name": "clients"}}}
        api.client.patch(path, {"spec": {"serving": token}})
        running.until("a token is demanded", lambda: reason(api, "asker") == "TargetGuarded")
        api.client.patch(path, {"spec": {"serving": None, "escalation": {"targets": [
            {"name": "back", "deploymentRef": {"name": "asker"}},
        ]}}})  # fmt: skip
        running.until("it goes round", lambda: (reason(api, "asker"), reason(api, "asked")) == ("TargetCycle",) * 2)


def test_nobody_asks_himself(api: ApiServer) -> None:
    with pytest.raises(ApiError, match="deploymentRef must name another EdgeDeployment than this one"):
        deploy(api, "narcissus", {"name": "me", "deploymentRef": {"name": "narcissus"}})
