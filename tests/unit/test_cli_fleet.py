"""What `kubectl edgewise status` makes of a deployment's status, its pods, and the nodes: a row each, or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from edgewise.api.edgedeployment import EdgeDeployment, EdgeDeploymentStatus
from edgewise.api.names import PROFILE_LABEL, PROFILE_PREFIX
from edgewise.cli.fleet import Row, gateway, rollout, rows
from tests.unit import bodies
from tests.unit.bodies import Body

CPU, CORAL = "generic-arm64", "coral-usb"
CHOSEN = {"name": CPU, "variant": "digits/int8", "workload": f"digits-{CPU}", "nodes": 1, "ready": 1}
NO_BUILD = "digits: LiteRT does not load ONNX"
OUTDONE = "its nodes take a better fitting profile, or have too little memory"
ALONE = f"best fitting of {CPU}"


def node(name: str = "pi-1", *profiles: str, ready: str = "True", **labels: str) -> Body:
    """A node that belongs to these profiles (none named: the CPU's), as the operator labels it."""
    body = bodies.node(name, ready=ready)
    body["metadata"]["labels"] |= labels | {f"{PROFILE_PREFIX}{profile}": "true" for profile in profiles or (CPU,)}
    return body


def pod(name: str = "a", ready: bool = True, on: str = "pi-1", profile: str = CPU, **more: Any) -> Body:
    """Of the deployment; more: into its metadata."""
    body = bodies.pod(name, conditions=[{"type": "ContainersReady", "status": str(ready)}])
    meta = {**body["metadata"], "labels": {**body["metadata"]["labels"], PROFILE_LABEL: profile}, **more}
    return {**body, "metadata": meta, "spec": {"nodeName": on}}


def leaving(name: str = "old", ready: bool = True) -> Body:
    return pod(name, ready, deletionTimestamp="2026-01-01T10:00:00Z")


def with_problem(body: Body, reason: str, message: str) -> Body:
    waiting = {"image": "runtime:2", "state": {"waiting": {"reason": reason, "message": message}}}
    return {**body, "status": {**body["status"], "containerStatuses": [waiting]}}


def without_room(name: str, meant_for: str) -> Body:
    """A DaemonSet's pod that the scheduler cannot place."""
    said = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "Insufficient memory"}
    field = {"key": "metadata.name", "operator": "In", "values": [meant_for]}
    affinity = {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchFields": [field]}]}
        }
    }
    return {**pod(name, False), "spec": {"affinity": affinity}, "status": {"conditions": [said]}}


@dataclass(frozen=True)
class World:
    """What a case is about; the rest is one node that serves."""

    nodes: tuple[Body, ...] = (node(),)
    pods: tuple[Body, ...] = ()
    profiles: tuple[dict[str, Any], ...] = (CHOSEN,)
    unplaced: tuple[dict[str, str], ...] = ()
    selector: tuple[tuple[str, str], ...] = ()

    def rows(self) -> list[Row]:
        deployment = EdgeDeployment.model_validate(
            {
                "metadata": {"name": "digits", "namespace": "edge"},
                "spec": {"models": [{"name": "digits"}], "placement": {"nodeSelector": dict(self.selector)}},
                "status": {"profiles": self.profiles, "unplaced": self.unplaced},
            }
        )
        return rows(deployment, self.nodes, self.pods)


def row(
    state: str = "Serving", why: str = ALONE, node: str = "pi-1", build: str = "digits/int8", measured: str = "-"
) -> Row:
    return Row(node, CPU, build, measured, state, why)


def nothing(why: str, node: str = "pi-1") -> Row:
    return Row(node, "-", "-", "-", "-", why)


def unplaced(reason: str, node: str = "pi-1") -> tuple[dict[str, str], ...]:
    return ({"node": node, "reason": reason},)


def measurement(latency: str, throughput: str, variant: str = "int8", sha256: str = "0" * 12) -> dict[str, Any]:
    figures = {"latency": latency, "fastest": latency, "throughput": throughput, "devices": 3}
    return {"model": "digits", "variant": variant, "sha256": sha256, **figures}


KEPT = "NoBuildInTarget: generic-arm64: no build; keeps serving digits-1"

CASES: dict[str, tuple[World, list[Row]]] = {
    "a ready pod serves": (World(pods=(pod(),)), [row()]),
    "a pod that is not ready yet is starting": (World(pods=(pod(ready=False),)), [row("Starting")]),
    "a pod that cannot start says why": (
        World(pods=(with_problem(pod(ready=False), "ErrImagePull", "not found"),)),
        [row("Starting", "ImagePullBackOff: cannot pull runtime:2: not found")],
    ),
    "a pod without room on its node is that node's": (
        World(pods=(without_room("a", "pi-1"),)),
        [row("Starting", "Unschedulable: Insufficient memory")],
    ),
    "a pod that nobody has placed yet is no node's": (World(pods=({**pod(ready=False), "spec": {}},)), []),
    "of two pods the one that stays counts, though the one that leaves still answers": (
        World(pods=(pod("new", ready=False), leaving())),
        [row("Starting")],
    ),
    "of two pods the one that stays counts, whichever comes first": (
        World(pods=(leaving(ready=False), pod("new"))),
        [row()],
    ),
    "of two pods that stay one that answers counts": (World(pods=(pod("a"), pod("b", ready=False))), [row()]),
    "a pod that leaves and has no successor yet does not serve": (World(pods=(leaving(),)), [row("Starting")]),
    "a node that cannot be reached is offline, whatever its pod last said": (
        World(nodes=(node(ready="Unknown"),), pods=(pod(),)),
        [row("Offline")],
    ),
    "a build that devices have measured says how fast it is": (
        World(
            pods=(pod(),),
            profiles=({**CHOSEN, "measured": [measurement("9ms", "100", "fp32"), measurement("2.4ms", "410")]},),
        ),
        [row(measured="2.4ms, 410/s")],
    ),
    "of two files of one name the target's is told": (
        World(
            pods=(pod(),),
            profiles=({**CHOSEN, "measured": [measurement("2ms", "500"), measurement("3ms", "300", sha256="1" * 12)]},),
        ),
        [row(measured="2ms, 500/s")],
    ),
    "a node for which nothing fits has its reason": (
        World(unplaced=unplaced(f"NoFittingBuild: {CPU}: {NO_BUILD}")),
        [nothing(f"NoFittingBuild: {CPU}: {NO_BUILD}")],
    ),
    "a node that stays on the stable release says so": (
        World(pods=(pod(),), profiles=({**CHOSEN, "variant": None},), unplaced=unplaced(KEPT)),
        [row(why=KEPT, build="-")],
    ),
    "a class that the model has no build for is told": (
        World(
            nodes=(node("pi-1", CORAL, CPU),),
            pods=(pod(),),
            profiles=({"name": CORAL, "nodes": 0, "reason": NO_BUILD}, CHOSEN),
        ),
        [row(why=f"not {CORAL}: {NO_BUILD}")],
    ),
    "a class that has a build and was outdone needs no words": (
        World(
            nodes=(node("pi-1", "raspberry-pi-4", CPU),),
            pods=(pod(profile="raspberry-pi-4"),),
            profiles=(
                {**CHOSEN, "workload": None, "nodes": 0, "reason": OUTDONE},
                {**CHOSEN, "name": "raspberry-pi-4"},
            ),
        ),
        [Row("pi-1", "raspberry-pi-4", "digits/int8", "-", "Serving", f"best fitting of {CPU}, raspberry-pi-4")],
    ),
    "what another node's class lacks is not told here": (
        World(pods=(pod(),), profiles=({"name": CORAL, "nodes": 0, "reason": NO_BUILD}, CHOSEN)),
        [row()],
    ),
    "an engine that got less than it wanted says so": (
        World(pods=(pod(),), profiles=({**CHOSEN, "reason": "runs on CPUExecutionProvider instead of CUDA"},)),
        [row(why="runs on CPUExecutionProvider instead of CUDA")],
    ),
    "a pod of a class that the status does not know yet has no build": (
        World(pods=(pod(),), profiles=()),
        [row(build="-")],
    ),
    "only selected nodes are shown": (
        World(
            nodes=(node("pi-1"), node("pi-2", site="lab")),
            pods=(pod("a"), pod("b", on="pi-2")),
            selector=(("site", "lab"),),
        ),
        [row(node="pi-2")],
    ),
    "a node nobody can use is left out": (World(nodes=(node("cloud-1"), node("pi-1")), pods=(pod(),)), [row()]),
    "rows come by name": (
        World(
            nodes=(node("pi-2"), node("pi-1"), node("pi-3")),
            pods=(pod("b", on="pi-2"), pod("c", on="pi-3")),
            unplaced=unplaced("NoMatchingProfile: no DeviceProfile matches its labels"),
        ),
        [nothing("NoMatchingProfile: no DeviceProfile matches its labels"), row(node="pi-2"), row(node="pi-3")],
    ),
    "a fleet without a node has no row": (World(nodes=()), []),
}


@pytest.mark.parametrize(("world", "expected"), CASES.values(), ids=CASES)
def test_rows(world: World, expected: list[Row]) -> None:
    assert world.rows() == expected


NOON, LATER = "2026-01-31T12:00:00Z", "2026-01-31T12:00:30Z"
STANDING_BY = {"workload": "digits-gateway", "ready": 1}
GATEWAYS: dict[str, tuple[Body, str]] = {
    "there is none, and none is wanted": ({}, ""),
    "it stands by": ({"servedBy": "Devices", "gateway": STANDING_BY}, "stands by with 1 ready"),
    "it is about to take over": (
        {"servedBy": "Devices", "gateway": {**STANDING_BY, "turningSince": NOON}},
        f"stands by with 1 ready; no device is ready since {NOON}",
    ),
    "it answers": (
        {"servedBy": "Gateway", "gateway": {**STANDING_BY, "tookOverAt": NOON}},
        f"answers for the devices since {NOON}",
    ),
    "it is about to give back": (
        {"servedBy": "Gateway", "gateway": {**STANDING_BY, "tookOverAt": NOON, "turningSince": LATER}},
        f"answers for the devices since {NOON}; a device is ready since {LATER}",
    ),
    "it cannot start": (
        {"servedBy": "Devices", "gateway": {"workload": "digits-gateway", "reason": "ImagePullBackOff: cannot pull"}},
        "stands by with 0 ready; ImagePullBackOff: cannot pull",
    ),
    "it has nowhere to go": (
        {"servedBy": "Devices", "gateway": {"reason": "every node that would take it is a device"}},
        "there is none; every node that would take it is a device",
    ),
}


@pytest.mark.parametrize(("status", "line"), GATEWAYS.values(), ids=GATEWAYS)
def test_the_gateway_in_a_line(status: Body, line: str) -> None:
    assert gateway(EdgeDeploymentStatus.model_validate(status)) == line


GOING = {"release": "2.0.0-b", "wave": 2, "waves": 3, "evidence": "3 of 3 devices serve it"}
SOAKING = {**GOING, "soakEndsAt": LATER, "reason": "Soaking: its devices serve it; it soaks"}
FAILED = {**GOING, "soakEndsAt": LATER, "reason": "ErrorRate: 12 % of its requests fail"}
ROLLOUTS: dict[str, tuple[Body, str]] = {
    "nothing rolls out": ({}, ""),
    "it soaks": (
        {"rollout": SOAKING},
        f"2.0.0-b in wave 2 of 3 (until {LATER}); Soaking: its devices serve it; it soaks; 3 of 3 devices serve it",
    ),
    "it has just begun": ({"rollout": {"release": "2.0.0-b", "wave": 0, "waves": 3}}, "2.0.0-b in wave 0 of 3"),
    "only pods change": (
        {"rollout": {**SOAKING, "pods": "pods-1"}, "release": {"stable": "2.0.0-b", "target": "2.0.0-b"}},
        f"pods-1 in wave 2 of 3 (until {LATER}); Soaking: its devices serve it; it soaks; 3 of 3 devices serve it",
    ),
    "pods change with a release": (
        {"rollout": {**GOING, "pods": "pods-1"}, "release": {"stable": "1.0.0-a", "target": "2.0.0-b"}},
        "2.0.0-b in wave 2 of 3; 3 of 3 devices serve it",
    ),
    "pods were rejected": (
        {
            "rollout": {**FAILED, "pods": "pods-1"},
            "release": {"stable": "2.0.0-b", "target": "2.0.0-b", "rejected": ["pods-1"]},
        },
        "pods-1 rejected in wave 2 of 3; ErrorRate: 12 % of its requests fail; 3 of 3 devices serve it",
    ),
    "it was rejected": (
        {"rollout": FAILED, "release": {"target": "1.0.0-a", "rejected": ["2.0.0-b"]}},
        "2.0.0-b rejected in wave 2 of 3; ErrorRate: 12 % of its requests fail; 3 of 3 devices serve it",
    ),
}


@pytest.mark.parametrize(("status", "line"), ROLLOUTS.values(), ids=ROLLOUTS)
def test_the_rollout_in_a_line(status: Body, line: str) -> None:
    assert rollout(EdgeDeploymentStatus.model_validate(status)) == line
