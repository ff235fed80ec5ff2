"""Gather, decide, carry out: with decisions of a few lines, against a real API server."""

from __future__ import annotations

from typing import Any

import pytest

from edgewise.api.names import Reason
from edgewise.cluster.errors import ConflictError, NotFoundError
from edgewise.controller.children import ChildRefusedError
from edgewise.controller.deletions import HEARD_WITHIN
from edgewise.core import measured
from edgewise.core.observed import ObservedDeployment
from edgewise.core.outcome import Event, Plan
from tests.apiserver.operator import children
from tests.apiserver.operator.bench import Bench
from tests.cluster import audit
from tests.cluster.apiserver import ApiServer

pytestmark = pytest.mark.apiserver

SERVING = {
    "type": "Ready",
    "status": "True",
    "reason": "Serving",
    "message": "",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}


def three_children(observed: ObservedDeployment, _: float) -> Plan:
    made = (
        children.config_map(observed, "digits-plan", plan="1"),
        children.service(observed, "digits"),
        children.daemon_set(observed, "digits-generic"),
    )
    return Plan(apply=made, status={"url": "http://digits", "conditions": [SERVING]})


async def test_children_and_status_are_made_and_the_object_is_looked_at_once_more(bench: Bench) -> None:
    key = await bench.deployment()
    bench.waiting()
    await bench.reconciler(three_children)(key)
    assert (await bench.get("EdgeDeployment", "digits"))["status"]["url"] == "http://digits"
    assert (await bench.get("Service", "digits"))["spec"]["ports"][0]["port"] == 8000
    assert bench.waiting() == {key}, "the Service has an address now, which a decision may want to know"
    observed = bench.gatherer.deployment(key)
    assert observed is not None
    assert observed.cluster_ips["digits"] == (await bench.get("Service", "digits"))["spec"]["clusterIP"]
    assert {ref.kind for ref in observed.children} == {"ConfigMap", "Service", "DaemonSet"}


async def test_what_devices_measured_is_there_for_the_next_operator(bench: Bench) -> None:
    figures = {"latency": "2.4ms", "fastest": "1.9ms", "throughput": "410.5", "devices": 3}
    record = {"model": "digits", "variant": "fp32", "sha256": "0123456789ab", **figures}
    status = {"profiles": [{"name": "generic-arm64", "nodes": 3, "ready": 3, "reason": "", "measured": [record]}]}
    key = await bench.deployment()
    await bench.reconciler(lambda *_: Plan(status=status))(key)
    await bench.catch_up()
    observed = bench.gatherer.deployment(key)
    assert observed is not None
    assert measured.latency_of(measured.records(observed), "generic-arm64")("0123456789ab" + "f" * 52) == 0.0019


async def test_a_look_that_changes_nothing_makes_no_call(with_kinds: ApiServer, bench: Bench, user: str) -> None:
    key = await bench.deployment()
    reconcile = bench.reconciler(three_children)
    await reconcile(key)
    await bench.catch_up()
    before = audit.calls(with_kinds.audit_log, user=user)
    await reconcile(key)
    assert audit.calls(with_kinds.audit_log, user=user) == before


async def test_the_status_of_a_workload_is_no_reason_to_apply_it_again(
    with_kinds: ApiServer, bench: Bench, user: str
) -> None:
    key = await bench.deployment()
    reconcile = bench.reconciler(three_children)
    await reconcile(key)
    path = f"/apis/apps/v1/namespaces/{bench.namespace}/daemonsets/digits-generic/status"
    counts = dict.fromkeys(("currentNumberScheduled", "desiredNumberScheduled", "numberMisscheduled", "numberReady"), 3)
    with_kinds.client.patch(path, {"status": counts})
    await bench.catch_up()
    before = audit.calls(with_kinds.audit_log, user=user)
    await reconcile(key)
    assert audit.calls(with_kinds.audit_log, user=user) == before


EDITS = {
    "the data of a ConfigMap": ("/api/v1", "configmaps/digits-plan", {"data": {"plan": "mine"}}),
    "the ports of a Service": ("/api/v1", "services/digits", {"spec": {"ports": [{"name": "http", "port": 9999}]}}),
    "the image of a DaemonSet": (
        "/apis/apps/v1",
        "daemonsets/digits-generic",
        {"spec": {"template": {"spec": {"containers": [{"name": "runtime", "image": "mine:1"}]}}}},
    ),
    "the label of a DaemonSet": (
        "/apis/apps/v1",
        "daemonsets/digits-generic",
        {"metadata": {"labels": {"edgewise.dev/role": "mine"}}},
    ),
    "the label that makes it ours": (
        "/api/v1",
        "services/digits",
        {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}},
    ),
}


@pytest.mark.parametrize(("group", "path", "edit"), EDITS.values(), ids=EDITS)
async def test_what_somebody_edited_is_put_back(
    with_kinds: ApiServer, bench: Bench, group: str, path: str, edit: dict[str, Any]
) -> None:
    key = await bench.deployment()
    reconcile = bench.reconciler(three_children)
    await reconcile(key)
    whole = f"{group}/namespaces/{bench.namespace}/{path}"
    intended = _ours(with_kinds.client.get(whole))
    with_kinds.client.patch(whole, edit)
    bench.waiting()
    await bench.catch_up()
    assert bench.waiting() == {key}
    await reconcile(key)
    assert _ours(with_kinds.client.get(whole)) == intended


async def test_a_child_that_somebody_deleted_comes_back(with_kinds: ApiServer, bench: Bench) -> None:
    key = await bench.deployment()
    reconcile = bench.reconciler(three_children)
    await reconcile(key)
    with_kinds.client.raw("DELETE", f"/api/v1/namespaces/{bench.namespace}/services/digits")
    bench.waiting()
    await bench.catch_up()
    assert bench.waiting() == {key}
    await reconcile(key)
    assert await bench.get("Service", "digits")


async def test_a_child_no_longer_wanted_is_pruned_and_one_that_changed_meanwhile_is_looked_at_first(
    with_kinds: ApiServer, bench: Bench
) -> None:
    key = await bench.deployment()
    await bench.reconciler(three_children)(key)
    prune_all = bench.reconciler(lambda observed, _: Plan(prune=observed.children))
    path = f"/api/v1/namespaces/{bench.namespace}/configmaps/digits-plan"
    with_kinds.client.patch(path, {"data": {"plan": "changed"}})
    with pytest.raises(ConflictError):
        await prune_all(key)
    await bench.catch_up()
    await prune_all(key)
    with pytest.raises(NotFoundError):
        await bench.get("ConfigMap", "digits-plan")


async def test_a_look_that_comes_before_the_watch_has_told_of_a_deletion_does_not_repeat_it(
    with_kinds: ApiServer, bench: Bench, user: str
) -> None:
    def deletions() -> int:
        return sum(audit.calls(with_kinds.audit_log, user=user, verb="delete").values())

    key = await bench.deployment()
    await bench.reconciler(three_children)(key)
    prune_all = bench.reconciler(lambda observed, _: Plan(prune=observed.children))
    for _ in range(2):
        await prune_all(key)
    assert deletions() == 3
    bench.clock += HEARD_WITHIN
    await prune_all(key)
    assert deletions() == 6, "nothing was heard of them, so they may still be there"


async def test_pruning_what_is_gone_already_is_no_error(with_kinds: ApiServer, bench: Bench) -> None:
    key = await bench.deployment()
    await bench.reconciler(three_children)(key)
    with_kinds.client.raw("DELETE", f"/api/v1/namespaces/{bench.namespace}/configmaps/digits-plan")
    await bench.reconciler(lambda observed, _: Plan(prune=observed.children))(key)


async def test_an_object_of_somebody_else_is_never_taken_over(with_kinds: ApiServer, bench: Bench) -> None:
    theirs = {"metadata": {"name": "digits"}, "spec": {"ports": [{"name": "http", "port": 80}]}}
    with_kinds.client.post(f"/api/v1/namespaces/{bench.namespace}/services", theirs)
    key = await bench.deployment()
    with pytest.raises(ChildRefusedError):
        await bench.reconciler(three_children)(key)
    conditions = await _conditions(bench)
    assert conditions["Stalled"]["reason"] == Reason.NAME_CONFLICT
    assert "Service" in conditions["Ready"]["message"]
    assert "belongs to nobody of edgewise.dev; delete it" in conditions["Ready"]["message"]
    assert (await bench.get("Service", "digits"))["spec"]["ports"][0]["port"] == 80


async def test_a_child_the_api_server_refuses_is_said_in_the_status_in_its_words(bench: Bench) -> None:
    key = await bench.deployment()
    decide = bench.reconciler(lambda observed, _: Plan(apply=(children.service(observed, "digits", port=99999),)))
    with pytest.raises(ChildRefusedError):
        await decide(key)
    conditions = await _conditions(bench)
    assert conditions["Stalled"]["reason"] == Reason.INVALID_SPEC
    assert "the API server refuses Service digits" in conditions["Ready"]["message"]
    assert "must be between 1 and 65535" in conditions["Ready"]["message"]


async def test_a_recreated_deployment_waits_for_the_children_of_its_predecessor_to_go(
    with_kinds: ApiServer, bench: Bench
) -> None:
    key = await bench.deployment()
    reconcile = bench.reconciler(three_children)
    await reconcile(key)
    path = f"/apis/edgewise.dev/v1alpha1/namespaces/{bench.namespace}/edgedeployments/digits"
    with_kinds.client.raw("DELETE", path)
    await bench.deployment()
    with pytest.raises(ConflictError, match="still belongs to a deleted EdgeDeployment"):
        await reconcile(key)


async def test_an_object_that_cannot_be_read_says_so_and_keeps_what_its_status_says_of_the_devices(
    bench: Bench,
) -> None:
    key = await bench.deployment()
    await bench.reconciler(three_children)(key)
    newer = {**await bench.get("EdgeDeployment", "digits"), "spec": {"models": "digits"}}
    newer["metadata"]["generation"] = 2
    bench.store.put(newer)
    await bench.reconciler(three_children)(key)
    status = (await bench.get("EdgeDeployment", "digits"))["status"]
    assert {c["type"]: c["reason"] for c in status["conditions"]} == {
        "Ready": Reason.INVALID_SPEC,
        "Stalled": Reason.INVALID_SPEC,
    }
    assert status["url"] == "http://digits"
    assert await bench.get("Service", "digits"), "what served before keeps serving"


async def test_a_window_that_no_device_could_follow_says_what_to_write(bench: Bench) -> None:
    key = await bench.deployment()
    await bench.reconciler(three_children)(key)
    seen = await bench.get("EdgeDeployment", "digits")
    seen["spec"]["rollout"] = {"window": {"schedule": "0 25 * * *", "duration": "1h"}}
    bench.store.put(seen)
    await bench.reconciler(three_children)(key)
    conditions = await _conditions(bench)
    assert conditions["Stalled"]["reason"] == Reason.INVALID_SPEC
    assert "'0 25 * * *' is no cron schedule (Bad hour); write one such as" in conditions["Ready"]["message"]


async def test_the_status_is_written_at_most_once_a_second_unless_a_condition_flips(bench: Bench) -> None:
    key = await bench.deployment()
    wanted: dict[str, Any] = {"url": "http://1", "conditions": [SERVING]}
    reconcile = bench.reconciler(lambda *_: Plan(status=wanted, requeue_after=60))
    assert await reconcile(key) == 60
    bench.clock, wanted = 0.25, {**wanted, "url": "http://2"}
    assert await reconcile(key) == 0.75
    assert (await bench.get("EdgeDeployment", "digits"))["status"]["url"] == "http://1"
    wanted = {"url": "http://3", "conditions": [{**SERVING, "status": "False"}]}
    assert await reconcile(key) == 60
    assert (await bench.get("EdgeDeployment", "digits"))["status"]["url"] == "http://3"
    bench.clock, wanted = 1.5, {**wanted, "url": "http://4"}
    assert await reconcile(key) == 60


async def test_a_status_for_an_object_that_changed_meanwhile_waits_for_the_next_look(
    with_kinds: ApiServer, bench: Bench
) -> None:
    key = await bench.deployment()
    path = f"/apis/edgewise.dev/v1alpha1/namespaces/{bench.namespace}/edgedeployments/digits"
    with_kinds.client.patch(path, {"spec": {"rollout": {"paused": True}}})
    reconcile = bench.reconciler(three_children)
    assert await reconcile(key) == 0.1
    await bench.catch_up()
    assert await reconcile(key) is None
    assert (await bench.get("EdgeDeployment", "digits"))["status"]["url"] == "http://digits"


async def test_events_are_posted_with_the_status_they_go_with(with_kinds: ApiServer, bench: Bench) -> None:
    key = await bench.deployment()
    plan = Plan(status={"conditions": [SERVING]}, events=(Event("Normal", "Serving", "digits serve"),))
    await bench.reconciler(lambda *_: plan)(key)
    events = with_kinds.client.get(f"/apis/events.k8s.io/v1/namespaces/{bench.namespace}/events")["items"]
    assert [(e["reason"], e["note"], e["regarding"]["kind"], e["regarding"]["name"]) for e in events] == [
        ("Serving", "digits serve", "EdgeDeployment", "digits")
    ]


async def test_an_object_that_is_gone_is_forgotten(with_kinds: ApiServer, bench: Bench) -> None:
    key = await bench.deployment()
    reconcile = bench.reconciler(three_children)
    await reconcile(key)
    path = f"/apis/edgewise.dev/v1alpha1/namespaces/{bench.namespace}/edgedeployments/digits"
    with_kinds.client.raw("DELETE", path)
    await bench.catch_up()
    assert await reconcile(key) is None


async def _conditions(bench: Bench) -> dict[str, dict[str, Any]]:
    status = (await bench.get("EdgeDeployment", "digits"))["status"]
    return {condition["type"]: condition for condition in status["conditions"]}


def _ours(body: dict[str, Any]) -> dict[str, Any]:
    """What an edit could have changed."""
    meta = {key: body["metadata"].get(key) for key in ("labels", "ownerReferences")}
    return {**meta, "spec": body.get("spec"), "data": body.get("data")}
