"""Signs of life, and gauges that are read from the world at scrape time."""

from __future__ import annotations

import asyncio

import aiohttp
from prometheus_client import CollectorRegistry

from edgewise.cluster.store import Store
from edgewise.controller.health import STUCK, Health, serve_health
from edgewise.controller.keys import Key
from edgewise.controller.metrics import MOST_DEPLOYMENTS, Metrics, WorldCollector
from edgewise.controller.queue import WorkQueue
from tests.cluster.ports import free_port
from tests.unit import bodies
from tests.unit.fake_time import run


def test_healthy_until_proven_otherwise() -> None:
    assert Health().problem() == ""


def test_a_key_that_nobody_gets_to_is_an_illness() -> None:
    health = Health()
    health.queue_age = lambda: STUCK + 1
    assert "has waited for 301 s" in health.problem()


def test_watches_that_stay_behind_are_an_illness_and_ones_that_catch_up_are_not() -> None:
    now = 0.0
    health = Health(lambda: now)
    health.census(3)
    now = STUCK
    assert health.problem() == ""
    now = STUCK + 1
    assert "watches have brought nothing" in health.problem()
    health.census(0)
    assert health.problem() == ""


async def test_one_that_waits_for_its_turn_is_alive_and_not_ready() -> None:
    port, health = free_port(), Health()
    async with serve_health(port, health, CollectorRegistry()), aiohttp.ClientSession() as session:

        async def status(path: str) -> int:
            async with session.get(f"http://127.0.0.1:{port}{path}") as answer:
                return answer.status

        assert [await status("/healthz"), await status("/readyz")] == [200, 503]
        health.working = True
        assert [await status("/healthz"), await status("/readyz")] == [200, 200]
        health.queue_age = lambda: STUCK + 1
        assert [await status("/healthz"), await status("/readyz")] == [500, 200]


def test_gauges_say_what_there_is_and_are_gone_with_what_they_told_of() -> None:
    async def script() -> None:
        store, metrics = Store(), Metrics()
        queue: WorkQueue[Key] = WorkQueue()
        metrics.registry.register(WorldCollector(store, queue))
        for body in (bodies.node(), bodies.node("pi-2", ready="Unknown")):
            store.put(body)
        store.put(bodies.deployment(status={"nodes": {"matched": 2, "offline": 1}, "servedBy": "Gateway"}))
        queue.add(Key("Node", "", "pi-1"))
        await asyncio.sleep(4)
        value = metrics.registry.get_sample_value
        assert [value("edgewise_nodes"), value("edgewise_nodes_offline"), value("edgewise_deployments")] == [2, 1, 1]
        assert [value("edgewise_operator_queue_depth"), value("edgewise_operator_queue_age_seconds")] == [1, 4]
        labels = {"namespace": "edge", "deployment": "digits", "state": "offline"}
        assert value("edgewise_deployment_nodes", labels) == 1
        relieved = "edgewise_deployment_served_by_gateway", {"namespace": "edge", "deployment": "digits"}
        assert value(*relieved) == 1
        store.put(bodies.deployment(version=2, status={"servedBy": "Devices"}))
        assert value(*relieved) == 0
        store.remove(bodies.deployment())
        assert value("edgewise_deployment_nodes", labels) is None

    run(script())


def test_a_look_is_counted_and_timed_without_series_of_when_counting_began() -> None:
    metrics = Metrics()
    with metrics.look(Key("Node", "", "pi-1")):
        metrics.observe_request("GET", 200)
    samples = {sample.name for family in metrics.registry.collect() for sample in family.samples}
    assert {"edgewise_operator_reconcile_total", "edgewise_operator_api_requests_total"} <= samples
    assert not [name for name in samples if name.endswith("_created")]


def test_a_thousand_deployments_do_not_flood_prometheus() -> None:
    async def script() -> None:
        store = Store()
        for number in range(1000):
            store.put(bodies.deployment(f"d{number:04}"))
        families = {family.name: family for family in WorldCollector(store, WorkQueue()).collect()}
        assert len({s.labels["deployment"] for s in families["edgewise_deployment_nodes"].samples}) == MOST_DEPLOYMENTS
        assert families["edgewise_deployments"].samples[0].value == 1000

    run(script())
