"""Gather, decide, carry out: with decisions of a few lines, against a real API server."""

from __future__ import annotations

from typing import Any

import pytest

from edgewise.cluster.errors import ConflictError, NotFoundError
from edgewise.controller.deletions import HEARD_WITHIN
from edgewise.core.outcome import Plan
from tests.apiserver.operator.bench import Bench
from tests.apiserver.operator.children import three_children
from tests.cluster import audit
from tests.cluster.apiserver import ApiServer

pytestmark = pytest.mark.apiserver


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


async def test_an_object_that_is_gone_is_forgotten(with_kinds: ApiServer, bench: Bench) -> None:
    key = await bench.deployment()
    reconcile = bench.reconciler(three_children)
    await reconcile(key)
    path = f"/apis/edgewise.dev/v1alpha1/namespaces/{bench.namespace}/edgedeployments/digits"
    with_kinds.client.raw("DELETE", path)
    await bench.catch_up()
    assert await reconcile(key) is None


def _ours(body: dict[str, Any]) -> dict[str, Any]:
    """What an edit could have changed."""
    meta = {key: body["metadata"].get(key) for key in ("labels", "ownerReferences")}
    return {**meta, "spec": body.get("spec"), "data": body.get("data")}
