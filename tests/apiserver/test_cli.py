"""`kubectl edgewise`, run as a person runs it, against a real API server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from edgewise.api.names import DEPLOYMENT_LABEL, GATEWAY_ROLE, PROFILE_LABEL, PROFILE_PREFIX, ROLE_LABEL
from tests.apiserver.test_crds import apply, named, write_status
from tests.cases.manifests import SMALL_DEPLOYMENT
from tests.cases.statuses import MEASUREMENT
from tests.cluster.apiserver import ApiServer

pytestmark = pytest.mark.apiserver

PROFILE = "generic-arm64"
STATUS: dict[str, Any] = {
    "observedGeneration": 1,
    "conditions": [
        {
            "type": "Ready",
            "status": "True",
            "reason": "FieldsNotActedOn",
            "message": "1 of 1 reachable nodes serve digits-1; not acted on: escalation.targets[].tls, [/bold]",
            "observedGeneration": 1,
            "lastTransitionTime": "2026-01-31T23:59:59Z",
        }
    ],
    "release": {"stable": "digits-1", "target": "digits-1"},
    "nodes": {"matched": 1, "ready": 1, "updated": 1, "offline": 0, "failed": 0, "unplaced": 12},
    "profiles": [
        {
            "name": PROFILE,
            "variant": "digits/int8",
            "workload": "digits-generic-arm64",
            "nodes": 1,
            "ready": 1,
            "reason": "",
            "measured": [MEASUREMENT],
        }
    ],
}


def status(kubeconfig: Path | str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What a terminal wide enough shows."""
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "COLUMNS": "200"}
    argv = (sys.executable, "-m", "edgewise.cli", "status", *arguments)
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)


def refused(result: subprocess.CompletedProcess[str]) -> str:
    """The one line that says why."""
    assert (result.returncode, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    return line


@pytest.fixture
def pi(with_kinds: ApiServer) -> str:
    """A ready node of the CPU's profile."""
    name = f"pi-{uuid.uuid4().hex[:8]}"
    client = with_kinds.client
    client.post("/api/v1/nodes", {"metadata": {"name": name, "labels": {f"{PROFILE_PREFIX}{PROFILE}": "true"}}})
    client.patch(f"/api/v1/nodes/{name}/status", {"status": {"conditions": [{"type": "Ready", "status": "True"}]}})
    return name


@pytest.fixture
def digits(with_kinds: ApiServer, pi: str) -> str:
    """The name of an EdgeDeployment that one pod on that node serves."""
    name = f"digits-{uuid.uuid4().hex[:8]}"
    apply(with_kinds.client, named(SMALL_DEPLOYMENT, name), "person")
    unplaced = [{"node": f"{pi}-{i}", "reason": "NoMatchingProfile: no DeviceProfile matches"} for i in range(10)]
    write_status(with_kinds.client, named(SMALL_DEPLOYMENT, name), {**STATUS, "unplaced": unplaced})
    pods = "/api/v1/namespaces/default/pods"
    labels = {DEPLOYMENT_LABEL: name, PROFILE_LABEL: PROFILE}
    spec = {"nodeName": pi, "containers": [{"name": "runtime", "image": "runtime:1"}]}
    account = {"automountServiceAccountToken": False, "serviceAccountName": "default"}
    with_kinds.client.apply("/api/v1/namespaces/default/serviceaccounts/default", _service_account())
    with_kinds.client.post(pods, {"metadata": {"name": name, "labels": labels}, "spec": {**spec, **account}})
    ready = {"phase": "Running", "conditions": [{"type": "ContainersReady", "status": "True"}]}
    with_kinds.client.patch(f"{pods}/{name}/status", {"status": ready})
    return name


def _service_account() -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}


def test_conditions_release_and_a_row_for_each_node(with_kinds: ApiServer, pi: str, digits: str) -> None:
    result = status(with_kinds.kubeconfig, digits)
    assert (result.returncode, result.stderr) == (0, "")
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    message = STATUS["conditions"][0]["message"]
    assert lines[:2] == [f"Ready=True  FieldsNotActedOn: {message}", "release  stable digits-1, target digits-1"]
    assert lines[2].split() == ["NODE", "PROFILE", "BUILD", "MEASURED", "STATE", "WHY"]
    row = [pi, PROFILE, "digits/int8", "2.4ms, 410.5/s", "Serving", f"best fitting of {PROFILE}"]
    assert re.split(" {2,}", lines[3]) == row
    assert lines[4:] == ["and 2 more that nothing fits; the first 10 are shown"]


def test_who_signed_what_serves_is_told(with_kinds: ApiServer, digits: str) -> None:
    signed = {**STATUS["release"], "signers": [{"model": "digits", "key": "9f2c01ab34cd"}]}
    write_status(with_kinds.client, named(SMALL_DEPLOYMENT, digits), {**STATUS, "release": signed})
    assert "signed   digits by 9f2c01ab34cd" in status(with_kinds.kubeconfig, digits).stdout.splitlines()


def test_a_gateway_that_answers_is_told_and_is_no_device(with_kinds: ApiServer, pi: str, digits: str) -> None:
    relieved = {"servedBy": "Gateway", "gateway": {"workload": "digits-gateway", "tookOverAt": "2026-01-31T12:00:00Z"}}
    write_status(with_kinds.client, named(SMALL_DEPLOYMENT, digits), {**STATUS, **relieved})
    pods, labels = "/api/v1/namespaces/default/pods", {DEPLOYMENT_LABEL: digits, ROLE_LABEL: GATEWAY_ROLE}
    spec = {
        "nodeName": pi,
        "containers": [{"name": "gateway", "image": "runtime:1"}],
        "automountServiceAccountToken": False,
        "serviceAccountName": "default",
    }
    with_kinds.client.post(pods, {"metadata": {"name": f"{digits}-gateway", "labels": labels}, "spec": spec})
    lines = status(with_kinds.kubeconfig, digits).stdout.splitlines()
    assert "gateway  answers for the devices since 2026-01-31T12:00:00Z" in lines
    assert [line.split()[1] for line in lines if line.startswith(pi)] == [PROFILE]


def test_the_namespace_can_be_named(with_kinds: ApiServer, digits: str) -> None:
    assert status(with_kinds.kubeconfig, digits, "-n", "default").returncode == 0
    line = refused(status(with_kinds.kubeconfig, digits, "-n", "kube-public"))
    assert f"namespace kube-public has no EdgeDeployment {digits} (there: none)" in line


def test_an_unknown_deployment_is_told_with_those_that_are_there(with_kinds: ApiServer, digits: str) -> None:
    line = refused(status(with_kinds.kubeconfig, "digit"))
    assert line.startswith("edgewise: namespace default has no EdgeDeployment digit (there: ")
    assert digits in line
    assert line.endswith("; name one of those, or another namespace with -n")


def test_a_cluster_without_edgewise_is_told(apiserver: ApiServer) -> None:
    line = refused(status(apiserver.kubeconfig, "digits"))
    assert line.startswith("edgewise: this cluster has no kind EdgeDeployment")
    assert "install the chart" in line


def test_a_missing_right_is_named(with_kinds: ApiServer, digits: str) -> None:
    line = refused(status(with_kinds.kubeconfig_for("stranger"), digits))
    assert 'User "stranger" cannot get resource "edgedeployments"' in line
    assert line.endswith("; ask an administrator for that right")


def test_no_kubeconfig_is_told(tmp_path: Path) -> None:
    line = refused(status(tmp_path / "none", "digits"))
    assert line.startswith("edgewise: cannot use the kubeconfig: ")
    assert line.endswith("; set KUBECONFIG to that of your cluster")


def test_a_damaged_kubeconfig_is_told(tmp_path: Path) -> None:
    damaged = tmp_path / "config"
    damaged.write_text("clusters: [")
    assert refused(status(damaged, "digits")).startswith("edgewise: cannot use the kubeconfig: ")


def test_a_cluster_that_does_not_answer_is_told(with_kinds: ApiServer, tmp_path: Path) -> None:
    elsewhere = tmp_path / "config"
    elsewhere.write_text(with_kinds.kubeconfig.read_text().replace(with_kinds.url, "https://127.0.0.1:1"))
    line = refused(status(elsewhere, "digits"))
    assert line.startswith("edgewise: no answer from https://127.0.0.1:1: ")
    assert line.endswith("; check network and kubeconfig")
