"""Bodies of the API server into records: what is kept, and what counts as a change."""

from typing import Any

import pytest

from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.names import DEPLOYMENT_LABEL, MEMORY_ANNOTATION, ROLE_LABEL
from edgewise.cluster.projections import Unreadable, project
from edgewise.core.observed import Address
from tests.unit import bodies

WAITING_SCHEDULER = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}]


def waiting(reason: str, message: str = "", **container: Any) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
    return {"containerStatuses": [{"image": "runtime:1", "state": state, **container}]}


PULL = 'failed to resolve "runtime:1": not found'
PROBLEMS = {
    "a pod that runs": ({"containerStatuses": [{"state": {"running": {}}}]}, ""),
    "a pod that is being made": (waiting("ContainerCreating"), ""),
    "no node has room": ({"conditions": WAITING_SCHEDULER}, "Unschedulable: 0/3 nodes"),
    "the image is not there": (waiting("ErrImagePull", PULL), f"ImagePullBackOff: cannot pull runtime:1: {PULL}"),
    "the same, while the kubelet backs off": (
        waiting("ImagePullBackOff", f'Back-off pulling image "runtime:1": ErrImagePull: {PULL}'),
        f"ImagePullBackOff: cannot pull runtime:1: {PULL}",
    ),
    "an older kubelet that backs off": (
        waiting("ImagePullBackOff", 'Back-off pulling image "runtime:1"'),
        "ImagePullBackOff: cannot pull runtime:1",
    ),
    "a container that dies": (
        waiting("CrashLoopBackOff", "back-off 10s", lastState={"terminated": {"reason": "OOMKilled", "exitCode": 137}}),
        "CrashLoopBackOff: OOMKilled, exit code 137",
    ),
    "a container that said why": (
        waiting("CrashLoopBackOff", "back-off 10s", lastState={"terminated": {"exitCode": 1, "message": "no plan"}}),
        "CrashLoopBackOff: no plan",
    ),
    "a missing runtime class handler": (waiting("RunContainerError", "no handler"), "RunContainerError: no handler"),
    "an init container": ({"initContainerStatuses": [{"state": {"waiting": {"reason": "Oops"}}}]}, "Oops"),
    "an evicted pod": ({"phase": "Failed", "reason": "Evicted", "message": "low on memory"}, "Evicted: low on memory"),
}


@pytest.mark.parametrize(("status", "problem"), PROBLEMS.values(), ids=PROBLEMS)
def test_a_pods_problem_is_told_in_the_words_of_who_met_it(status: dict[str, Any], problem: str) -> None:
    assert project(bodies.pod(**status)).value.problem == problem


def test_a_pod_is_known_by_its_deployment_and_says_where_it_runs() -> None:
    record = project(bodies.pod(podIP="10.0.0.7", conditions=[{"type": "ContainersReady", "status": "True"}]))
    pod = record.value
    assert record.group == ("edge", "digits")
    assert (pod.node, pod.ip, pod.ready, pod.profile, pod.deleting) == (
        "pi-1",
        "10.0.0.7",
        True,
        "generic-arm64",
        False,
    )


def test_what_the_node_controller_writes_into_pods_of_a_cut_off_node_says_nothing_of_their_containers() -> None:
    conditions = [{"type": "ContainersReady", "status": "True"}, {"type": "Ready", "status": "False"}]
    assert project(bodies.pod(conditions=conditions)).value.ready


@pytest.mark.parametrize("ready", [True, False])
def test_whether_services_send_a_pod_requests_is_the_node_controllers_word(ready: bool) -> None:
    conditions = [{"type": "ContainersReady", "status": "True"}, {"type": "Ready", "status": str(ready)}]
    assert project(bodies.pod(conditions=conditions)).value.endpoint is ready


def test_a_pod_on_its_way_out_gets_no_requests() -> None:
    body = bodies.pod(conditions=[{"type": "Ready", "status": "True"}])
    body["metadata"]["deletionTimestamp"] = "2026-01-01T10:00:00Z"
    assert not project(body).value.endpoint


@pytest.mark.parametrize(
    ("container", "pulled"),
    [
        pytest.param({"state": {"waiting": {"reason": "ContainerCreating"}}, "imageID": ""}, False, id="on its way"),
        pytest.param({"state": {"waiting": {"reason": "ErrImagePull"}}, "imageID": ""}, False, id="not to be had"),
        pytest.param({"state": {"running": {}}, "imageID": "sha256:1"}, True, id="running"),
        pytest.param({"state": {"terminated": {"exitCode": 127}}, "imageID": "sha256:1"}, True, id="no such command"),
        pytest.param({"state": {"waiting": {"reason": "CreateContainerError"}}, "imageID": ""}, True, id="not made"),
    ],
)
def test_a_kubelet_that_has_tried_to_start_a_pod_has_its_image(container: dict[str, Any], pulled: bool) -> None:
    assert project(bodies.pod(containerStatuses=[container])).value.pulled is pulled


def test_a_pod_says_what_it_runs_and_since_when_it_is_there() -> None:
    body = bodies.pod()
    body["spec"]["containers"] = [{"name": "runtime", "image": "runtime:1"}]
    pod = project(body).value
    assert (pod.image, pod.created) == ("runtime:1", 1767261600.0)


ROLES = [({}, "runtime"), ({ROLE_LABEL: "gateway"}, "gateway"), ({ROLE_LABEL: "pull"}, "pull")]


@pytest.mark.parametrize(("labels", "role"), ROLES)
def test_pods_and_workloads_say_whether_they_are_a_gateways(labels: dict[str, str], role: str) -> None:
    for body in (bodies.pod(), bodies.daemon_set()):
        body["metadata"]["labels"] |= labels
        assert project(body).value.role == role


def test_a_service_says_where_it_leads_to() -> None:
    selector = {DEPLOYMENT_LABEL: "digits", ROLE_LABEL: "gateway"}
    assert project(bodies.service(clusterIP="10.43.0.7", selector=selector)).value == Address("10.43.0.7", "gateway")
    assert project(bodies.service(clusterIP="10.43.0.7")).value == Address("10.43.0.7")


def test_a_daemon_set_pod_that_finds_no_room_counts_for_the_node_it_is_meant_for() -> None:
    body = bodies.pod()
    del body["spec"]["nodeName"]
    fields = [{"key": "metadata.name", "operator": "In", "values": ["pi-7"]}]
    terms = {"nodeSelectorTerms": [{"matchFields": fields}]}
    body["spec"]["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    assert project(body).value.node == "pi-7"


@pytest.mark.parametrize(("written", "memory"), [("1024", 1024), ("lots", 0), (None, 0)])
def test_a_workload_says_what_its_pods_were_made_for(written: str | None, memory: int) -> None:
    body = bodies.daemon_set()
    body["metadata"]["annotations"] = {MEMORY_ANNOTATION: written} if written else {}
    volumes = [
        {"name": "secret-1f", "secret": {"secretName": "b", "items": [{"key": "tls.key"}, {"key": "tls.crt"}]}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "secret-2e", "secret": {"secretName": "a", "items": [{"key": "token"}]}},
        {"name": "access-tokens", "secret": {"secretName": "clients"}},
    ]
    body["spec"]["template"] = {"spec": {"containers": [{"image": "runtime:1"}], "volumes": volumes}}
    workload = project(body).value
    mounted = ("a/token", "b/tls.crt", "b/tls.key")
    assert (workload.memory, workload.secrets, workload.image) == (memory, mounted, "runtime:1")


SAME = {
    "a heartbeat of a node": (
        bodies.node(),
        {**bodies.node(version=2), "status": {**bodies.node()["status"], "images": ["more"]}},
    ),
    "the status of a DaemonSet": (bodies.daemon_set(), bodies.daemon_set(version=2, status={"numberReady": 400})),
    "an event that is said again": (bodies.refusal("a", "10:00"), bodies.refusal("a", "10:05")),
    "the count in the status of a profile": (bodies.profile(), {**bodies.profile(), "status": {"nodes": 9}}),
}
DIFFERENT = {
    "a node that is no longer ready": (bodies.node(), bodies.node(ready="Unknown")),
    "a node with another label": (bodies.node(), bodies.node(site="lab")),
    "a DaemonSet with another spec": (bodies.daemon_set(), bodies.daemon_set(generation=2)),
    "a DaemonSet that lost its owner": (
        bodies.daemon_set(),
        {**bodies.daemon_set(), "metadata": {**bodies.daemon_set()["metadata"], "ownerReferences": []}},
    ),
    "a status that somebody else wrote": (bodies.deployment(), bodies.deployment(status={"url": "http://elsewhere"})),
    "an object made anew": (bodies.deployment(), bodies.deployment(uid="another")),
    "a profile with another spec": (bodies.profile(), bodies.profile(version=2)),
}


@pytest.mark.parametrize(("before", "after"), SAME.values(), ids=SAME)
def test_no_change(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert project(before).digest == project(after).digest


@pytest.mark.parametrize(("before", "after"), DIFFERENT.values(), ids=DIFFERENT)
def test_a_change(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert project(before).digest != project(after).digest


def test_an_object_that_parses_is_kept_parsed() -> None:
    assert isinstance(project(bodies.deployment()).value, EdgeDeployment)


def test_an_object_that_does_not_parse_keeps_its_status_and_says_which_field_is_wrong() -> None:
    status = {
        "release": {"stable": "1.0.0-abc"},
        "conditions": [{"type": "Ready", "status": "True", "reason": "Serving"}],
    }
    body = bodies.deployment(generation=3, status=status, spec={"models": [{"name": "Digits!"}]})
    value = project(body).value
    assert isinstance(value, Unreadable)
    assert value.error.startswith("spec.models.0.name: String should match pattern")
    assert (value.metadata.generation, value.raw_status) == (3, status)
    assert [condition.type for condition in value.status.conditions or []] == ["Ready"]


@pytest.mark.parametrize(("text", "memory"), [("8029152Ki", 8029152 * 1024), ("16Gi", 16 * 2**30), ("1e9", 0)])
def test_memory_of_a_node_is_read_in_the_notations_kubelets_use(text: str, memory: int) -> None:
    body = bodies.node()
    body["status"]["allocatable"] = {"memory": text}
    assert project(body).value.memory == memory


def test_a_refused_pod_of_a_deployment_is_told_by_its_replica_set() -> None:
    assert project(bodies.refusal("digits-cloud-7d9c5", "10:00", kind="ReplicaSet")).group == ("edge", "digits-cloud")


def test_a_damaged_plan_counts_as_none() -> None:
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": bodies.meta("digits-plan", ownerReferences=bodies.owned("digits")),
        "data": {"plan.json": "{"},
    }
    record = project(body)
    assert (record.value, record.group) == (None, "uid-digits")
