"""What a look says of an object: its status and its events, against a real API server."""

from __future__ import annotations

from typing import Any

import pytest

from edgewise.api.names import Reason
from edgewise.controller.children import ChildRefusedError
from edgewise.core import measured
from edgewise.core.outcome import Event, Plan
from tests.apiserver.operator import children
from tests.apiserver.operator.bench import Bench
from tests.apiserver.operator.children import SERVING, three_children
from tests.cluster.apiserver import ApiServer

pytestmark = pytest.mark.apiserver


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


async def test_an_object_of_somebody_else_is_never_taken_over(with_kinds: ApiServer, bench: Bench) -> None:
    theirs = {"metadata": {"name": "digits"}, "spec": {"ports": [{"name": "http", "port": 80}]}}
    with_kinds.client.post(f"/api/v1/namespaces/{bench.namespace}/services", theirs)
    key = await bench.deployment()
    with pytest.raises(ChildRefusedError):
        await bench.reconciler(three_children)(key)
    conditions = await bench.conditions()
    assert conditions["Stalled"]["reason"] == Reason.NAME_CONFLICT
    assert "Service" in conditions["Ready"]["message"]
    assert "belongs to nobody of edgewise.dev; delete it" in conditions["Ready"]["message"]
    assert (await bench.get("Service", "digits"))["spec"]["ports"][0]["port"] == 80


async def test_a_child_the_api_server_refuses_is_said_in_the_status_in_its_words(bench: Bench) -> None:
    key = await bench.deployment()
    decide = bench.reconciler(lambda observed, _: Plan(apply=(children.service(observed, "digits", port=99999),)))
    with pytest.raises(ChildRefusedError):
        await decide(key)
    conditions = await bench.conditions()
    assert conditions["Stalled"]["reason"] == Reason.INVALID_SPEC
    assert "the API server refuses Service digits" in conditions["Ready"]["message"]
    assert "must be between 1 and 65535" in conditions["Ready"]["message"]


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
    conditions = await bench.conditions()
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
