"""Who runs what, and why: one row a node, made from an EdgeDeployment's status, its pods, the nodes' labels. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from edgewise.api.edgedeployment import EdgeDeployment, EdgeDeploymentStatus, ProfileStatus
from edgewise.api.names import PROFILE_PREFIX, hold_label
from edgewise.api.rollout import MoveStatus, ReleaseStatus
from edgewise.cluster.projections import project
from edgewise.core.observed import Node, Pod
from edgewise.core.placement import selected

Body = Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """One node of a deployment."""

    node: str
    profile: str
    build: str
    measured: str
    """Latency and throughput of the build on such devices; `-` where nobody knows."""
    state: str
    """Serving, Starting, Offline, or `-` where nothing is placed."""
    why: str


def rows(deployment: EdgeDeployment, nodes: Iterable[Body], pods: Iterable[Body]) -> list[Row]:
    """Selected nodes by name, but those nobody can use (no pod, and no reason why not). pods: of this deployment."""
    profiles = {profile.name: profile for profile in deployment.status.profiles or ()}
    unplaced = {entry.node: entry.reason for entry in deployment.status.unplaced or ()}
    there = _by_node(_projected("Pod", pod) for pod in pods)
    wanted = selected((_projected("Node", node) for node in nodes), deployment.spec.placement)
    return [
        _row(node, there.get(node.name), profiles, unplaced.get(node.name, "") or _held(deployment, node))
        for node in sorted(wanted, key=lambda node: node.name)
        if node.name in there or node.name in unplaced
    ]


def _projected(kind: str, body: Body) -> Any:
    """Node or Pod. Items of a list do not say what they are."""
    return project({"apiVersion": "v1", "kind": kind, **body}).value


def _by_node(pods: Iterable[Pod]) -> dict[str, Pod]:
    """Of several pods on a node the one that stays, and of those one that answers."""
    return {pod.node: pod for pod in sorted(pods, key=lambda pod: (not pod.deleting, pod.ready)) if pod.node}


def _row(node: Node, pod: Pod | None, profiles: Mapping[str, ProfileStatus], unplaced: str) -> Row:
    if pod is None:
        return Row(node.name, "-", "-", "-", "-", unplaced)
    chosen = profiles.get(pod.profile)
    build = (chosen.variant if chosen else None) or "-"
    why = unplaced or _why(node, pod, profiles)
    return Row(node.name, pod.profile, build, _measured(chosen), _state(node, pod), why)


def _held(deployment: EdgeDeployment, node: Node) -> str:
    held_on = node.labels.get(hold_label(deployment.metadata.uid))
    return f"stays with {held_on} until it is its turn to move" if held_on is not None else ""


def _measured(chosen: ProfileStatus | None) -> str:
    """Of the chosen builds, in their order; the target release's come first where two releases name one alike."""
    if chosen is None or not chosen.variant:
        return "-"
    records = {f"{m.model}/{m.variant}": f"{m.latency}, {m.throughput}/s" for m in reversed(chosen.measured or ())}
    return "; ".join(records.get(build, "-") for build in chosen.variant.split(", "))


def _state(node: Node, pod: Pod) -> str:
    if not node.ready:
        return "Offline"
    return "Serving" if pod.ready and not pod.deleting else "Starting"


def _why(node: Node, pod: Pod, profiles: Mapping[str, ProfileStatus]) -> str:
    """What holds the pod up, what the engine really got, why other classes of this node are not used."""
    belongs = sorted(key.removeprefix(PROFILE_PREFIX) for key in node.labels if key.startswith(PROFILE_PREFIX))
    remark = profiles[pod.profile].reason if pod.profile in profiles else ""
    others = [profiles[name] for name in belongs if name in profiles and name != pod.profile]
    told = [pod.problem, remark, *map(_refusal, others)]
    return "; ".join(filter(None, told)) or f"best fitting of {', '.join(belongs)}"


def _refusal(profile: ProfileStatus) -> str:
    """A class with a build was only outdone by the one taken, which needs no words."""
    passed_over = profile.variant is None and profile.workload is None and profile.reason
    return f"not {profile.name}: {profile.reason}" if passed_over else ""


def gateway(now: EdgeDeploymentStatus) -> str:
    """Whether the gateway answers or stands by, and what stands against it; empty: there is none, and none wanted."""
    if now.gateway is None:
        return ""
    seen = now.gateway
    if now.served_by == "Gateway":
        doing = f"answers for the devices since {seen.took_over_at}"
    else:
        doing = f"stands by with {seen.ready} ready" if seen.workload else "there is none"
    if seen.turning_since is not None:
        back = "a device is" if now.served_by == "Gateway" else "no device is"
        doing += f"; {back} ready since {seen.turning_since}"
    return f"{doing}; {seen.reason}" if seen.reason else doing


def rollout(now: EdgeDeploymentStatus) -> str:
    """How far it is and what it waits for, or why the release, or the change of the pods, was rejected; empty: nothing
    is rolling out."""
    if now.rollout is None or now.rollout.release is None:
        return ""
    seen, known = now.rollout, now.release or ReleaseStatus()
    name = seen.pods if seen.pods is not None and seen.release == known.stable else seen.release
    rejected = name in (known.rejected or ())
    doing = "rejected in" if rejected else "in"
    until = f" (until {seen.soak_ends_at})" if seen.soak_ends_at is not None and not rejected else ""
    told = f"{name} {doing} wave {seen.wave} of {seen.waves}{until}"
    return "; ".join(filter(None, (told, seen.reason, seen.evidence)))


def moves(now: EdgeDeploymentStatus) -> list[str]:
    """A line for each pair of profiles that nodes move between."""
    return [
        "; ".join(filter(None, (f"{move.moved} of {move.nodes} nodes from {move.origin} to {move.to}", _tried(move))))
        for move in now.moves or ()
    ]


def _tried(move: MoveStatus) -> str:
    """Why it stopped, or who is on the way."""
    return move.refused or (f"{', '.join(move.trying)} on the way since {move.tried_at}" if move.trying else "")
