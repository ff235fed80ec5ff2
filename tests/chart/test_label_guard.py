"""The policy on node labels, forged both ways: `profile.` and `hold.` labels are the operator's own, and no others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from edgewise.api.names import DEVICE_LABEL, GROUP, HOLD_PREFIX, PROFILE_PREFIX
from tests.chart.helm import OPERATOR, RELEASE
from tests.cluster.apiserver import ApiServer
from tests.cluster.client import MERGE_PATCH, ApiError
from tests.cluster.waiting import wait_for

pytestmark = pytest.mark.apiserver

Labels = Mapping[str, str | None]

NODE = "/api/v1/nodes/device"
POLICY = f"/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/{RELEASE}-node-labels"
PROFILE, HOLD = f"{PROFILE_PREFIX}cpu", f"{HOLD_PREFIX}deadbeef"
KUBELET = ("system:node:device", "system:nodes")
OTHERS = {
    "an administrator": ("admin", "system:masters"),
    "the node's own kubelet": KUBELET,
    "a service account of the operator's name elsewhere": (
        f"system:serviceaccount:default:{RELEASE}",
        "system:masters",
    ),
}
PATHS = [NODE, f"{NODE}/status"]
FORGERIES: dict[str, Labels] = {
    "adds a profile": {f"{PROFILE_PREFIX}jetson": "true"},
    "changes a profile": {PROFILE: "false"},
    "removes a profile": {PROFILE: None},
    "adds a hold": {f"{HOLD_PREFIX}cafe": "cpu"},
    "changes a hold": {HOLD: "jetson"},
    "removes a hold": {HOLD: None},
    "hides a profile behind an honest label": {"zone": "a", f"{PROFILE_PREFIX}jetson": "true"},
}
ORDINARY: dict[str, Labels] = {
    "a zone": {"topology.kubernetes.io/zone": "a"},
    "a device named by hand": {DEVICE_LABEL: "raspberry-pi-4"},
    "a key that only looks alike": {f"profile.{GROUP}.example.com/cpu": "true", f"xprofile.{GROUP}/cpu": "true"},
    "a label of the same name without the prefix": {"cpu": "true"},
}


@pytest.fixture(scope="module")
def guarded(installed: ApiServer) -> Iterator[ApiServer]:
    """A node that the operator has labelled, once the policy is in force."""
    node = {"metadata": {"name": "device", "labels": {"kubernetes.io/os": "linux"}}}
    installed.client.post("/api/v1/nodes", node)
    patch(installed, OPERATOR, {PROFILE: "true", HOLD: "cpu"})
    forged = (installed, OTHERS["an administrator"], FORGERIES["adds a profile"])
    wait_for("the policy is in force", lambda: is_denied(*forged))
    yield installed
    installed.client.raw("DELETE", NODE)


def patch(api: ApiServer, user: tuple[str, ...], labels: Labels, path: str = NODE) -> None:
    """Changes labels of the node as that user. Raises ApiError with the API server's words."""
    api.client_for(*user).raw("PATCH", path, {"metadata": {"labels": labels}}, MERGE_PATCH)


def is_denied(api: ApiServer, user: tuple[str, ...], labels: Labels) -> bool:
    try:
        patch(api, user, labels, f"{NODE}?dryRun=All")
    except ApiError as error:
        return "denied" in str(error)
    return False


def labels_of(api: ApiServer) -> dict[str, str]:
    found: dict[str, str] = api.client.get(NODE)["metadata"]["labels"]
    return found


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("user", OTHERS.values(), ids=tuple(OTHERS))
@pytest.mark.parametrize("labels", FORGERIES.values(), ids=tuple(FORGERIES))
def test_a_forged_label_is_denied_and_the_message_says_what_to_do(
    guarded: ApiServer, user: tuple[str, ...], labels: Labels, path: str
) -> None:
    before = labels_of(guarded)
    with pytest.raises(ApiError) as denial:
        patch(guarded, user, labels, path)
    forged = next(key for key in labels if key.startswith((PROFILE_PREFIX, HOLD_PREFIX)))
    assert denial.value.status == 403
    assert f"only edgewise ({OPERATOR[0]}) changes the node labels under" in str(denial.value)
    assert f"{forged}. To move this node to a profile, set the label edgewise.dev/device" in str(denial.value)
    assert labels_of(guarded) == before


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("user", OTHERS.values(), ids=tuple(OTHERS))
@pytest.mark.parametrize("labels", ORDINARY.values(), ids=tuple(ORDINARY))
def test_any_other_label_passes(guarded: ApiServer, user: tuple[str, ...], labels: Labels, path: str) -> None:
    patch(guarded, user, labels, path)
    assert labels.items() <= labels_of(guarded).items()
    patch(guarded, user, dict.fromkeys(labels), path)
    assert not labels.keys() & labels_of(guarded)


@pytest.mark.parametrize("labels", FORGERIES.values(), ids=tuple(FORGERIES))
def test_the_operator_may_do_what_others_may_not(guarded: ApiServer, labels: Labels) -> None:
    patch(guarded, OPERATOR, labels, f"{NODE}?dryRun=All")


def test_a_kubelet_reports_its_status_as_ever(guarded: ApiServer) -> None:
    condition = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "ready"}
    body = {"status": {"conditions": [condition], "capacity": {"cpu": "4"}}}
    guarded.client_for(*KUBELET).raw("PATCH", f"{NODE}/status", body, MERGE_PATCH)
    assert guarded.client.get(NODE)["status"]["conditions"][0]["status"] == "True"


def test_a_kubelet_registers_its_node_but_not_with_a_profile_of_its_own_choice(guarded: ApiServer) -> None:
    kubelet = guarded.client_for("system:node:new", "system:nodes")
    labels = {"kubernetes.io/os": "linux", DEVICE_LABEL: "jetson-nano"}
    kubelet.post("/api/v1/nodes?dryRun=All", {"metadata": {"name": "new", "labels": labels}})
    kubelet.post("/api/v1/nodes?dryRun=All", {"metadata": {"name": "new"}})
    with pytest.raises(ApiError, match="only edgewise"):
        kubelet.post("/api/v1/nodes?dryRun=All", {"metadata": {"name": "new", "labels": {PROFILE: "true"}}})


def test_a_labelled_node_can_be_deleted(guarded: ApiServer) -> None:
    guarded.client.raw("DELETE", f"{NODE}?dryRun=All")


def test_the_api_server_finds_no_fault_in_the_types_of_the_policy(guarded: ApiServer) -> None:
    wait_for("the policy has been type-checked", lambda: "observedGeneration" in guarded.client.get(POLICY)["status"])
    assert guarded.client.get(POLICY)["status"]["typeChecking"] == {}


def test_the_policy_names_the_prefixes_that_the_operator_uses(guarded: ApiServer) -> None:
    (forged,) = (v for v in guarded.client.get(POLICY)["spec"]["variables"] if v["name"] == "forged")
    assert f'key.startsWith("{PROFILE_PREFIX}") || key.startsWith("{HOLD_PREFIX}")' in forged["expression"]
