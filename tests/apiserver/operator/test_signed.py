"""What a pod demands of models, kept by a real API server and read back from it."""

from __future__ import annotations

import pytest

from edgewise.api.edgemodel import EdgeModel
from edgewise.cluster.projections import project
from edgewise.contract.trust import Policy
from edgewise.core.deployment import decide
from edgewise.core.observed import ObservedDeployment, Workload
from edgewise.core.outcome import Manifest
from tests.cluster.apiserver import ApiServer
from tests.unit.core.builders import NOW, model, node, observed, signed
from tests.unit.core.fleets import CPU

pytestmark = pytest.mark.apiserver

BOTH = [{"secretRef": {"name": "signers", "key": f"{name}.pub"}} for name in ("alice", "bob")]


def daemon_set(of: EdgeModel, *present: Workload) -> Manifest:
    seen: ObservedDeployment = observed(models=[of], profiles=(CPU,), nodes=(node("box"),), workloads=present)
    return next(one for one in decide(seen, NOW).apply if one["kind"] == "DaemonSet")


@pytest.fixture
def restricted(with_kinds: ApiServer, namespace: str) -> str:
    label = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    with_kinds.client.patch(f"/api/v1/namespaces/{namespace}", label)
    with_kinds.client.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "default"}})
    return namespace


def stored(api: ApiServer, namespace: str, manifest: Manifest) -> Workload:
    """As the operator's watch brings it back."""
    kept = {key: value for key, value in manifest["metadata"].items() if key in ("name", "labels", "annotations")}
    path = f"/apis/apps/v1/namespaces/{namespace}/daemonsets"
    api.client.post(path, {**manifest, "metadata": {**kept, "namespace": namespace}})
    found = project({"kind": "DaemonSet", **api.client.get(f"{path}/{kept['name']}")}).value
    assert isinstance(found, Workload)
    return found


def test_demands_come_back_as_they_were_written_and_a_key_less_changes_nothing(
    with_kinds: ApiServer, restricted: str
) -> None:
    before = daemon_set(model(verification=signed(publicKeys=BOTH, minVersion="0.5.0")))
    present = stored(with_kinds, restricted, before)
    keys = [{"name": "signers", "key": f"{name}.pub"} for name in ("alice", "bob")]
    assert present.trust == {"digits": Policy.model_validate({"publicKeys": keys, "minVersion": "0.5.0"})}
    after = daemon_set(model(verification=signed(publicKeys=BOTH[:1], minVersion="0.5.0")), present)
    assert after["spec"]["template"] == before["spec"]["template"]


def test_a_pod_that_demands_signatures_meets_the_restricted_standard(with_kinds: ApiServer, restricted: str) -> None:
    template = daemon_set(model(verification=signed()))["spec"]["template"]
    pod = {"metadata": {"name": "p", "namespace": restricted}, "spec": template["spec"]}
    with_kinds.client.post(f"/api/v1/namespaces/{restricted}/pods?dryRun=All", pod)
