"""Which keys an event concerns, and which events concern nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from edgewise.cluster.store import Store
from edgewise.contract.report import Report
from edgewise.controller.keys import Key
from edgewise.controller.queue import WorkQueue
from edgewise.controller.reportbook import ReportBook
from edgewise.controller.routing import SETTLE, Router
from tests.unit import bodies
from tests.unit.fake_time import run

DIGITS, FACES = Key("EdgeDeployment", "edge", "digits"), Key("EdgeDeployment", "edge", "faces")
PI, MODEL, GENERIC = (
    Key("Node", "", "pi-1"),
    Key("EdgeModel", "edge", "digits"),
    Key("DeviceProfile", "", "generic-arm64"),
)
Event = Callable[[Router], None]


def world() -> list[dict[str, Any]]:
    faces = {**bodies.deployment("faces"), "spec": {"models": [{"name": "faces"}]}}
    return [
        bodies.node(), bodies.profile(), bodies.model(), bodies.deployment(), faces, bodies.daemon_set(), bodies.pod(),
    ]  # fmt: skip


def listed() -> Store:
    """A store after the first listing."""
    store = Store()
    store.complete = True
    return store


def owned_config_map(owner: str, kind: str) -> dict[str, Any]:
    meta = bodies.meta("child", ownerReferences=bodies.owned(owner, kind))
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}


EVENTS: dict[str, tuple[Event, Iterable[Key], Iterable[Key]]] = {
    "a changed EdgeDeployment": (lambda r: r.seen(bodies.deployment(version=2, generation=2)), [DIGITS], []),
    "a deleted EdgeDeployment, and soon the nodes that may be held for it": (
        lambda r: r.deleted(bodies.deployment()),
        [DIGITS],
        [PI],
    ),
    "a changed EdgeModel: itself, and the deployments that name it": (
        lambda r: r.seen({**bodies.model(version=2), "status": {"revision": "b"}}),
        [MODEL, DIGITS],
        [],
    ),
    "a deleted EdgeModel": (lambda r: r.deleted(bodies.model()), [MODEL, DIGITS], []),
    "a changed DeviceProfile: itself, and soon everything": (
        lambda r: r.seen(bodies.profile(version=2)),
        [GENERIC],
        [PI, DIGITS, FACES],
    ),
    "a node that is no longer ready: itself, and soon who counts it": (
        lambda r: r.seen(bodies.node(version=2, ready="Unknown")),
        [PI],
        [DIGITS, FACES, GENERIC],
    ),
    "the heartbeat of a node": (lambda r: r.seen(bodies.node(version=2)), [], []),
    "a pod that is ready": (
        lambda r: r.seen(bodies.pod(version=2, conditions=[{"type": "ContainersReady", "status": "True"}])),
        [DIGITS],
        [],
    ),
    "the pod of a deployment that is not there": (lambda r: r.seen(bodies.pod("stray", of="gone")), [], []),
    "a changed child": (lambda r: r.seen(bodies.daemon_set(version=2, generation=2)), [DIGITS], []),
    "the status of a child": (lambda r: r.seen(bodies.daemon_set(version=2, status={"numberReady": 9})), [], []),
    "the child of an EdgeModel": (lambda r: r.seen(owned_config_map("digits", "EdgeModel")), [MODEL], []),
    "the child of somebody else": (lambda r: r.seen(owned_config_map("digits", "DaemonSet")), [], []),
    "a refused pod": (lambda r: r.seen(bodies.refusal("digits-generic-arm64", "10:00")), [DIGITS], []),
    "a refused pod of somebody else": (lambda r: r.seen(bodies.refusal("theirs", "10:00")), [], []),
}


def asks(name: str, *others: str) -> dict[str, Any]:
    """An EdgeDeployment with these as targets."""
    targets = [{"name": other, "deploymentRef": {"name": other}} for other in others]
    body = bodies.deployment(name)
    return {**body, "spec": {**body["spec"], "escalation": {"targets": targets}}}


def test_who_asks_a_deployment_or_asks_who_asks_it_hears_of_it() -> None:
    async def script() -> None:
        store = listed()
        queue: WorkQueue[Key] = WorkQueue()
        router = Router(store, queue, ReportBook())
        for body in (asks("near", "digits"), asks("far", "near"), bodies.deployment(), bodies.deployment("faces")):
            store.put(body)
        router.seen(bodies.deployment(version=2, generation=2))
        near, far = (Key("EdgeDeployment", "edge", name) for name in ("near", "far"))
        assert _taken(queue) == {DIGITS, near, far}
        router.deleted(bodies.deployment())
        assert _taken(queue) == {DIGITS, near, far}

    run(script())


@pytest.mark.parametrize(("event", "now", "soon"), EVENTS.values(), ids=EVENTS)
def test_who_hears_of(event: Event, now: Iterable[Key], soon: Iterable[Key]) -> None:
    async def script() -> None:
        store = listed()
        queue: WorkQueue[Key] = WorkQueue()
        for body in world():
            store.put(body)
        event(Router(store, queue, ReportBook()))
        assert _taken(queue) == set(now)
        await asyncio.sleep(SETTLE)
        assert _taken(queue) == set(soon)

    run(script())


def test_before_everything_is_listed_nobody_looks_and_then_nodes_come_first() -> None:
    async def script() -> None:
        store = Store()
        queue: WorkQueue[Key] = WorkQueue()
        router = Router(store, queue, ReportBook())
        for body in reversed(world()):
            router.seen(body)
        await asyncio.sleep(SETTLE)
        assert queue.depth == 0
        router.first_look()
        assert [queue.take() for _ in range(queue.depth)] == [PI, MODEL, GENERIC, DIGITS, FACES]

    run(script())


def test_forty_nodes_that_join_together_are_one_look_at_each_deployment() -> None:
    async def script() -> None:
        store = listed()
        queue: WorkQueue[Key] = WorkQueue()
        router = Router(store, queue, ReportBook())
        store.put(bodies.deployment())
        for number in range(40):
            router.seen(bodies.node(f"pi-{number}"))
            await asyncio.sleep(SETTLE / 100)
        _taken(queue)
        await asyncio.sleep(SETTLE)
        assert [key for key in _taken(queue) if key.kind == "EdgeDeployment"] == [DIGITS]

    run(script())


def test_the_reports_of_a_pod_and_of_a_deployment_go_with_them() -> None:
    async def script() -> None:
        book = ReportBook()
        router = Router(listed(), WorkQueue(), book)
        for body in (bodies.deployment(), bodies.pod("a"), bodies.pod("b")):
            router.seen(body)
        for pod in ("a", "b"):
            book.enter(_report(pod), 0)
        router.deleted(bodies.pod("a"))
        assert book.of("edge", "digits").keys() == {"b"}
        router.deleted(bodies.deployment())
        assert book.of("edge", "digits") == {}

    run(script())


def _report(pod: str) -> Report:
    deployment = {"namespace": "edge", "name": "digits", "uid": "1"}
    return Report.model_validate(
        {
            "deployment": deployment,
            "pod": pod,
            "node": "pi-1",
            "profile": "g",
            "boot": "1",
            "sequence": 1,
            "release": "r",
        }
    )


def _taken(queue: WorkQueue[Key]) -> set[Key]:
    keys = {queue.take() for _ in range(queue.depth)}
    for key in keys:
        queue.done(key)
    return keys
