"""Who runs what, and why: one row a node, made from an EdgeDeployment's status, its pods, the nodes' labels. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from edgewise.api.edgedeployment import EdgeDeployment, ProfileStatus
from edgewise.api.names import PROFILE_LABEL, PROFILE_PREFIX

Body = Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """One node of a deployment."""

    node: str
    profile: str
    build: str
    state: str
    """Serving, Starting, Offline, or `-` where nothing is placed."""
    why: str


def rows(deployment: EdgeDeployment, nodes: Iterable[Body], pods: Iterable[Body]) -> list[Row]:
    """Selected nodes by name, but those nobody can use (no pod, and no reason why not). pods: of this deployment."""
    profiles = {profile.name: profile for profile in deployment.status.profiles or ()}
    unplaced = {entry.node: entry.reason for entry in deployment.status.unplaced or ()}
    # Of two pods on a node, one is on its way out: the one that stays is the one to show.
    ordered = sorted(pods, key=lambda pod: "deletionTimestamp" not in pod["metadata"])
    by_node = {pod["spec"].get("nodeName"): pod for pod in ordered}
    wanted = deployment.spec.placement.node_selector.items()
    selected = [node for node in nodes if all(_labels(node).get(key) == value for key, value in wanted)]
    return [
        _row(node, by_node.get(node["metadata"]["name"]), profiles, unplaced)
        for node in sorted(selected, key=lambda node: str(node["metadata"]["name"]))
        if node["metadata"]["name"] in by_node or node["metadata"]["name"] in unplaced
    ]


def _labels(body: Body) -> Mapping[str, str]:
    labels: Mapping[str, str] = body["metadata"].get("labels") or {}
    return labels


def _condition(body: Body, kind: str) -> str:
    conditions = body.get("status", {}).get("conditions") or ()
    return next((str(condition["status"]) for condition in conditions if condition["type"] == kind), "Unknown")


def _row(node: Body, pod: Body | None, profiles: Mapping[str, ProfileStatus], unplaced: Mapping[str, str]) -> Row:
    name = str(node["metadata"]["name"])
    if pod is None:
        return Row(name, "-", "-", "-", unplaced.get(name, ""))
    profile = _labels(pod).get(PROFILE_LABEL, "")
    online, ready = _condition(node, "Ready") == "True", _condition(pod, "Ready") == "True"
    state = "Offline" if not online else "Serving" if ready else "Starting"
    chosen = profiles.get(profile)
    return Row(name, profile, (chosen.variant if chosen else None) or "-", state, _why(node, profile, profiles))


def _why(node: Body, taken: str, profiles: Mapping[str, ProfileStatus]) -> str:
    """What is worth knowing about the choice: why other classes of this node are not used, what the engine got."""
    belongs = sorted(key.removeprefix(PROFILE_PREFIX) for key in _labels(node) if key.startswith(PROFILE_PREFIX))
    passed_over = [
        f"not {name}: {profiles[name].reason}"
        for name in belongs
        if name != taken and name in profiles and profiles[name].workload is None and profiles[name].reason
    ]
    remark = profiles[taken].reason if taken in profiles else ""
    return "; ".join([*([remark] if remark else []), *passed_over]) or f"best fitting of {', '.join(belongs)}"
