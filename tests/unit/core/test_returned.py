"""A device is back when it says so; its kubelet may take another minute."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgewise.core.observed import Node, Pod, ReceivedReport
from edgewise.core.returned import PROOF_LASTS, returned, to_ask
from tests.unit.core.builders import NOW, node, observed, pod, report, reports
from tests.unit.core.fleets import PI, V2, A, B, nodes, settled

AWAY, HERE = node(ready=False), node()


@pytest.mark.parametrize(
    ("on", "received", "back"),
    [
        pytest.param(AWAY, replace(report(pod(), A), node_unready=True), True, id="it reported since"),
        pytest.param(AWAY, report(pod(), A), False, id="its last report is from before the cut"),
        pytest.param(
            AWAY, replace(report(pod(), A), node_unready=True, at=NOW - PROOF_LASTS), False, id="the proof is too old"
        ),
        pytest.param(HERE, replace(report(pod(), A), node_unready=True), False, id="its kubelet says so itself by now"),
    ],
)
def test_a_report_from_a_node_that_is_not_ready_proves_that_the_device_is_back(
    on: Node, received: ReceivedReport, back: bool
) -> None:
    seen = observed(nodes=(on,), pods=(pod(),), reports=reports(received))
    assert returned(seen, NOW) == (frozenset({"pi-1"}) if back else frozenset())


@pytest.mark.parametrize(
    ("on", "one", "asked"),
    [
        pytest.param(AWAY, pod(ready=False), True, id="a pod on a node that is not ready"),
        pytest.param(HERE, pod(), False, id="not on one that is"),
        pytest.param(AWAY, pod(ip=""), False, id="nor one without an address"),
        pytest.param(AWAY, pod(deleting=True), False, id="nor one that goes"),
    ],
)
def test_pods_out_of_reach_are_asked(on: Node, one: Pod, asked: bool) -> None:
    assert (to_ask(observed(nodes=(on,), pods=(one,))) == [one]) is asked


def test_a_device_that_is_back_takes_the_new_version_before_its_kubelet_says_that_it_is_there() -> None:
    made = settled(PI)
    made.cut("pi-5")
    made.release(V2)
    made.settle()
    plan = made.reconcile()
    assert [(poke.pod, poke.insist) for poke in plan.pokes] == [("digits-cpu-pi-5", False)]
    assert plan.requeue_after is not None
    made.reconnect("pi-5")
    made.settle()
    assert made.served()["pi-5"] == B
    assert nodes(made) == {"matched": 5, "ready": 5, "updated": 5}
    assert [poke.pod for poke in made.reconcile().pokes] == ["digits-cpu-pi-5"]


def test_a_device_that_is_back_and_behind_is_asked_once() -> None:
    made = settled(PI)
    made.cut("pi-5")
    made.reconnect("pi-5")
    made.settle()
    made.release(V2)
    plan = made.reconcile()
    assert [poke.insist for poke in plan.pokes if poke.pod == "digits-cpu-pi-5"] == [True]


def test_a_device_that_falls_silent_again_is_offline_again() -> None:
    made = settled(PI)
    made.cut("pi-5")
    made.reconnect("pi-5")
    made.settle()
    assert nodes(made) == {"matched": 5, "ready": 5, "updated": 5}
    made.now += PROOF_LASTS
    made.reconcile()
    assert nodes(made) == {"matched": 5, "ready": 4, "updated": 4, "offline": 1}


def test_no_pod_is_replaced_where_no_kubelet_could_start_its_successor() -> None:
    made = settled(PI)
    made.cut("pi-5")
    made.reconnect("pi-5")
    made.edit(serving={"image": "registry.local/cpu:2"})
    made.settle()
    old = [one.node for one in made.pods.values() if one.template != made.pods["digits-cpu-pi-1"].template]
    assert old == ["pi-5"]
    made.heal("pi-5")
    made.settle()
    assert len({one.template for one in made.pods.values()}) == 1
