"""Labels of profiles and holds on nodes: all that edgewise writes there."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

import pytest

from edgewise.api.names import hold_label
from edgewise.cluster.resources import EDGE_DEPLOYMENT, NODE
from edgewise.controller.keys import Key
from edgewise.controller.nodes import Decide, NodeReconciler
from edgewise.core.node import decide
from edgewise.core.observed import ObjectRef, ObservedNode
from edgewise.core.outcome import NodeLabels
from tests.apiserver.operator.bench import Bench
from tests.cluster import audit
from tests.cluster.apiserver import ApiServer

pytestmark = pytest.mark.apiserver
PI, GENERIC = "profile.edgewise.dev/raspberry-pi-4", "profile.edgewise.dev/generic-arm64"


@pytest.fixture
def name() -> str:
    return f"pi-{uuid.uuid4().hex[:8]}"


def wants(*labels: str, since: Mapping[str, float] | None = None) -> Decide:
    def decide(observed: ObservedNode, _: float) -> NodeLabels:
        present = {key for key in observed.node.labels if key.startswith("profile.edgewise.dev/")}
        return NodeLabels(dict.fromkeys(labels, ""), present != set(labels), since or {})

    return decide


async def labels(bench: Bench, name: str) -> dict[str, str]:
    found = await bench.client.get(ObjectRef(NODE.api_version, NODE.kind, "", name))
    return dict(found["metadata"].get("labels") or {})


async def test_profile_labels_are_given_and_taken_and_others_are_left_alone(bench: Bench, name: str) -> None:
    await bench.node(name, site="lab")
    key = Key("Node", "", name)
    await NodeReconciler(bench.effects, bench.gatherer, wants(PI, GENERIC))(key)
    assert await labels(bench, name) == {"site": "lab", PI: "", GENERIC: ""}
    await NodeReconciler(bench.effects, bench.gatherer, wants(GENERIC))(key)
    assert await labels(bench, name) == {"site": "lab", GENERIC: ""}


async def test_a_profile_label_that_somebody_else_set_goes(bench: Bench, name: str) -> None:
    await bench.node(name, **{PI: "forged"})
    await NodeReconciler(bench.effects, bench.gatherer, wants(GENERIC))(Key("Node", "", name))
    assert await labels(bench, name) == {GENERIC: ""}


async def test_deployments_hear_of_a_label_as_soon_as_it_is_written(bench: Bench, name: str) -> None:
    await bench.node(name)
    bench.waiting()
    await NodeReconciler(bench.effects, bench.gatherer, wants(PI))(Key("Node", "", name))
    assert Key("Node", "", name) in bench.waiting()


async def test_a_deleted_node_is_not_brought_back_as_a_ghost(with_kinds: ApiServer, bench: Bench, name: str) -> None:
    await bench.node(name)
    with_kinds.client.raw("DELETE", f"/api/v1/nodes/{name}")
    await NodeReconciler(bench.effects, bench.gatherer, wants(PI))(Key("Node", "", name))
    assert name not in {node["metadata"]["name"] for node in with_kinds.client.get("/api/v1/nodes")["items"]}


async def test_a_node_that_has_its_labels_costs_no_call(
    with_kinds: ApiServer, bench: Bench, name: str, user: str
) -> None:
    await bench.node(name)
    reconcile = NodeReconciler(bench.effects, bench.gatherer, wants(PI))
    await reconcile(Key("Node", "", name))
    before = audit.calls(with_kinds.audit_log, user=user)
    await reconcile(Key("Node", "", name))
    assert audit.calls(with_kinds.audit_log, user=user) == before


async def test_since_when_a_node_does_not_match_is_remembered_between_looks(bench: Bench, name: str) -> None:
    await bench.node(name)
    seen: list[Mapping[str, float]] = []

    def decide(observed: ObservedNode, now: float) -> NodeLabels:
        seen.append(observed.unmatched_since)
        return NodeLabels({}, False, {"raspberry-pi-4": now}, requeue_after=7)

    reconcile = NodeReconciler(bench.effects, bench.gatherer, decide, clock=lambda: 42.0)
    assert [await reconcile(Key("Node", "", name)), await reconcile(Key("Node", "", name))] == [7, 7]
    assert seen == [{}, {"raspberry-pi-4": 42.0}]


async def test_a_hold_is_written_kept_and_taken_away_as_its_deployment_asks(bench: Bench, name: str) -> None:
    made, key = await held_for(bench), Key("Node", "", name)
    look = NodeReconciler(bench.effects, bench.gatherer, decide)
    await bench.node(name)
    bench.waiting()
    bench.holds.ask(made, {name: "cpu"})
    assert bench.waiting() == {key}
    for asked in ({name: "cpu"}, {}):
        bench.holds.ask(made, asked)
        await look(key)
        assert await labels(bench, name) == {hold_label(made): "cpu"}
    bench.holds.ask(made, {name: ""})
    await look(key)
    assert await labels(bench, name) == {}


async def test_the_hold_of_a_deleted_deployment_is_taken_away(bench: Bench, name: str) -> None:
    made, key = await held_for(bench), Key("Node", "", name)
    look = NodeReconciler(bench.effects, bench.gatherer, decide)
    await bench.node(name)
    bench.holds.ask(made, {name: "cpu"})
    await look(key)
    ref = ObjectRef(EDGE_DEPLOYMENT.api_version, EDGE_DEPLOYMENT.kind, bench.namespace, "digits", made)
    await bench.client.delete(ref)
    await bench.catch_up()
    bench.holds.forget(made)
    await look(key)
    assert await labels(bench, name) == {}


async def held_for(bench: Bench) -> str:
    """Uid of a new deployment."""
    await bench.deployment()
    record = bench.store.shelf(EDGE_DEPLOYMENT).get(bench.namespace, "digits")
    assert record is not None
    return record.ref.uid
