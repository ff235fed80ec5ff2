"""rollout.paused: nobody switches, nobody is turned back."""

from __future__ import annotations

from tests.unit.core.fleets import PI, V2, A, B, settled
from tests.unit.core.world import World


def test_a_paused_deployment_switches_no_device() -> None:
    made = settled(PI)
    made.edit(rollout={"paused": True})
    made.settle()
    assert made.ready == ("True", "Serving")
    made.release(V2)
    made.settle()
    assert made.ready == ("False", "Paused")
    assert set(made.served().values()) == {A}
    made.edit(rollout={"paused": False})
    made.settle()
    assert set(made.served().values()) == {B}


def half_way() -> World:
    """pi-1 serves B, pi-2 does too and is offline now, pi-3 has not got to it; then somebody pauses."""
    made = settled(PI[:3])
    made.release(V2)
    made.reconcile()
    made.cut("pi-3")
    made.live()
    made.heal("pi-3")
    made.cut("pi-2")
    made.edit(rollout={"paused": True})
    return made


def test_a_pause_in_the_middle_turns_nobody_back() -> None:
    made = half_way()
    made.settle()
    made.heal("pi-2")
    made.settle()
    assert made.served() == {"pi-1": B, "pi-2": B, "pi-3": A}


def test_a_pause_outlives_a_restart_of_the_operator() -> None:
    made = half_way()
    made.settle()
    made.reports.clear()
    made.settle()
    made.heal("pi-2")
    made.settle()
    assert made.served() == {"pi-1": B, "pi-2": B, "pi-3": A}
