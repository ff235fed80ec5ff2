"""Pods with disks of their own, as a real API server and its Pod Security Standards judge them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgewise.core.deployment import decide
from edgewise.core.outcome import Manifest
from tests.cluster.apiserver import ApiServer
from tests.cluster.client import ApiError
from tests.unit.core.builders import NOW, SETTINGS, build, deployment, model, node, observed
from tests.unit.core.fleets import CPU

pytestmark = pytest.mark.apiserver

OPEN = replace(SETTINGS, cache_root="/var/lib/edgewise", file_root="/srv/models")
HOST_PATH: dict[str, Any] = {"serving": {"cache": {"type": "HostPath"}}}
CLAIM: dict[str, Any] = {
    "placement": {"mode": "Replicas", "replicas": 2},
    "serving": {"cache": {"type": "PersistentVolumeClaim", "claim": "models"}},
}
FILE, VOLUME = "file:///srv/models/edge/m.onnx", "pvc://store/m.onnx"


def workload(spec: dict[str, Any], uri: str = "https://m/m.onnx") -> Manifest:
    """What the operator makes of such a deployment whose model lies at `uri`."""
    seen = observed(
        deployment(**spec), settings=OPEN, profiles=(CPU,), nodes=(node("box"),),
        models=[model("digits", build(source={"uri": uri}))],
    )  # fmt: skip
    return next(
        one for one in decide(seen, NOW).apply if one["apiVersion"] == "apps/v1" and one["kind"] != "ControllerRevision"
    )


def without_owner(manifest: Manifest, namespace: str) -> Manifest:
    kept = {key: value for key, value in manifest["metadata"].items() if key in ("name", "labels", "annotations")}
    return {**manifest, "metadata": {**kept, "namespace": namespace}}


@pytest.fixture
def standard(with_kinds: ApiServer, namespace: str, request: pytest.FixtureRequest) -> str:
    """A namespace that holds pods to a standard."""
    label = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": request.param}}}
    with_kinds.client.patch(f"/api/v1/namespaces/{namespace}", label)
    with_kinds.client.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "default"}})
    return namespace


@pytest.mark.parametrize("manifest", [workload(HOST_PATH), workload(CLAIM), workload({}, FILE), workload({}, VOLUME)],
                         ids=["HostPath", "PersistentVolumeClaim", "file://", "pvc://"])  # fmt: skip
def test_the_api_server_takes_the_workload_and_keeps_all_of_it(
    with_kinds: ApiServer, namespace: str, manifest: Manifest
) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/{'daemonsets' if manifest['kind'] == 'DaemonSet' else 'deployments'}"
    with_kinds.client.post(path, without_owner(manifest, namespace))
    made = with_kinds.client.get(f"{path}/{manifest['metadata']['name']}")
    wanted, got = manifest["spec"]["template"]["spec"], made["spec"]["template"]["spec"]
    assert [one["name"] for one in got["volumes"]] == [one["name"] for one in wanted["volumes"]]
    assert got["containers"][0]["volumeMounts"] == wanted["containers"][0]["volumeMounts"]
    assert len(got.get("initContainers", ())) == len(wanted.get("initContainers", ()))
    if manifest["kind"] == "Deployment":
        assert made["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


REFUSED = [
    pytest.param("restricted", workload(HOST_PATH), "hostPath", id="HostPath where pods are restricted"),
    pytest.param("baseline", workload(HOST_PATH), "hostPath", id="HostPath where they meet the baseline"),
    pytest.param("baseline", workload({}, FILE), "hostPath", id="a file of the node"),
]
TAKEN = [
    pytest.param("privileged", workload(HOST_PATH), id="HostPath where everything is allowed"),
    pytest.param("restricted", workload(CLAIM), id="a claim as a cache"),
    pytest.param("restricted", workload({}, VOLUME), id="a claim that holds models"),
    pytest.param("restricted", workload({}, "s3://bucket/m.onnx"), id="an S3"),
]


def dry_run(server: ApiServer, namespace: str, manifest: Manifest) -> None:
    template = manifest["spec"]["template"]
    pod = {"metadata": {**template["metadata"], "name": "trial"}, "spec": template["spec"]}
    server.client.post(f"/api/v1/namespaces/{namespace}/pods?dryRun=All", pod)


@pytest.mark.parametrize(("standard", "manifest", "says"), REFUSED, indirect=["standard"])
def test_folders_of_the_node_are_an_exception_to_the_standards(
    with_kinds: ApiServer, standard: str, manifest: Manifest, says: str
) -> None:
    with pytest.raises(ApiError, match=says):
        dry_run(with_kinds, standard, manifest)


@pytest.mark.parametrize(("standard", "manifest"), TAKEN, indirect=["standard"])
def test_everything_else_passes_the_strictest(with_kinds: ApiServer, standard: str, manifest: Manifest) -> None:
    dry_run(with_kinds, standard, manifest)
