"""Workers: one object's trouble is no other's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from edgewise.controller.metrics import Metrics
from edgewise.controller.workers import work
from edgewise.core.observed import ObservedDeployment
from edgewise.core.outcome import Plan
from tests.apiserver.operator.bench import Bench
from tests.apiserver.operator.children import SERVING

pytestmark = pytest.mark.apiserver


async def test_a_poisoned_object_does_not_stop_the_others(bench: Bench) -> None:
    poisoned, good = await bench.deployment("poisoned"), await bench.deployment("good")
    bench.waiting()

    def decide(observed: ObservedDeployment, _: float) -> Plan:
        if observed.deployment.metadata.name == "poisoned":
            raise ZeroDivisionError("a bug")
        return Plan(status={"url": "http://good", "conditions": [SERVING]})

    looks = {"EdgeDeployment": bench.reconciler(decide)}
    metrics = Metrics()
    worker = asyncio.create_task(work(bench.queue, looks, metrics))
    for key in (poisoned, good):
        bench.queue.add(key)
    await _until(lambda: _count(metrics, "error") >= 2 and _count(metrics, "success") >= 1)
    worker.cancel()
    assert (await bench.get("EdgeDeployment", "good"))["status"]["url"] == "http://good"
    assert "conditions" not in (await bench.get("EdgeDeployment", "poisoned"))["status"]


def _count(metrics: Metrics, outcome: str) -> float:
    labels = {"kind": "EdgeDeployment", "outcome": outcome}
    return metrics.registry.get_sample_value("edgewise_operator_reconcile_total", labels) or 0


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.02)
