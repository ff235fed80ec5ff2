"""Which node takes which profile for one deployment, and why some take none.

The same rule is written into each workload's node affinity (`affinity`): profile P runs where P's label is and no label
of the profiles before it in `order`. Kubernetes then places without another write of ours. A node that is to move to
another profile is held on its old one by a label until its turn comes; see core/deployment/moves.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgewise.api.base import Toleration
from edgewise.api.deviceprofile import DeviceProfile
from edgewise.api.edgedeployment import Placement
from edgewise.api.names import Reason, profile_label
from edgewise.api.units import binary
from edgewise.core.matching import belongs, holds, rank
from edgewise.core.observed import Node

# The DaemonSet controller adds these by itself, and every edge pod carries the first two without a time limit.
_ALWAYS_TOLERATED = frozenset(
    f"node.kubernetes.io/{problem}"
    for problem in ("not-ready", "unreachable", "disk-pressure", "memory-pressure", "pid-pressure", "unschedulable")
)


@dataclass(frozen=True)
class Offer:
    """What one profile has for a deployment."""

    profile: DeviceProfile
    refusal: str = ""
    """Why it cannot run the target release; empty when it can."""
    memory: int = 0
    """Bytes that a pod with the target release asks for."""
    keeps: str = ""
    """The stable release, where its devices may stay on that when the target has nothing for them; else empty."""

    @property
    def name(self) -> str:
        return self.profile.metadata.name


@dataclass(frozen=True)
class Move:
    """A node on its way from one profile to another."""

    source: str
    """It serves from here until its turn comes."""
    goal: str
    possible: bool = True
    """False: nothing of the target runs on the node with the goal, so its turn does not come."""


@dataclass(frozen=True)
class Placed:
    """Where one deployment's pods belong."""

    nodes: Mapping[str, str] = field(default_factory=dict)
    """Node -> profile, where the target release shall serve."""
    kept: Mapping[str, str] = field(default_factory=dict)
    """Node -> profile, where the stable release stays because the target has nothing for it. Unplaced, too."""
    unplaced: Mapping[str, str] = field(default_factory=dict)
    """Node -> why the target does not run there."""
    tainted: tuple[str, ...] = ()
    """Selected nodes with a taint that nobody tolerates: as for a DaemonSet, they do not count."""
    matching: Mapping[str, int] = field(default_factory=dict)
    """Profile -> selected nodes that belong to it, whether they take it or not."""
    taken: Mapping[str, str] = field(default_factory=dict)
    """Node -> profile that the affinities give it, whether anything runs there or not, holds aside."""
    moves: Mapping[str, Move] = field(default_factory=dict)
    """Node -> its move. Until its turn has come, the node is placed at the source."""
    origins: frozenset[str] = frozenset()
    """Profiles that a node which was let go may have to go back to."""

    def of(self, profile: str) -> list[str]:
        """Nodes that take this profile for the target, sorted."""
        return sorted(node for node, taken in self.nodes.items() if taken == profile)

    @property
    def hosting(self) -> frozenset[str]:
        """Profiles that need a workload."""
        goals = (move.goal for move in self.moves.values() if move.possible)
        return frozenset((*self.nodes.values(), *self.kept.values(), *goals)) | self.origins


def order(offers: Iterable[Offer]) -> list[Offer]:
    """Usable offers, the one that wins first: those that run the target; those that keep the stable release."""
    usable = [offer for offer in offers if not offer.refusal or offer.keeps]
    return sorted(usable, key=lambda offer: (bool(offer.refusal), rank(offer.profile)))


def place(nodes: Iterable[Node], offers: Sequence[Offer], placement: Placement) -> Placed:
    """Each selected node takes the first offer, in their order, of a profile it belongs to."""
    best, known = order(offers), sorted(offers, key=lambda offer: rank(offer.profile))
    placed, kept, unplaced, takes = dict[str, str](), dict[str, str](), dict[str, str](), dict[str, str]()
    tainted, matching, kinds = list[str](), dict[str, int](), _Kinds(known)
    for node in selected(nodes, placement):
        mine = kinds.offers_for(node)
        taken = next((offer for offer in best if offer.name in mine), None)
        if not _admitted(node, mine.values() if taken is None else [taken], placement):
            tainted.append(node.name)
            continue
        for name in mine:
            matching[name] = matching.get(name, 0) + 1
        if taken is not None:
            takes[node.name] = taken.name
        why = _nothing_fits(mine.values()) if taken is None else _obstacle(taken, node)
        if taken is not None and not why:
            placed[node.name] = taken.name
            continue
        unplaced[node.name] = why
        if taken is not None and taken.keeps:
            kept[node.name] = taken.name
    return Placed(placed, kept, unplaced, tuple(tainted), matching, takes)


class _Kinds:
    """A fleet has hundreds of nodes of few kinds: what profiles look at is the same for all of a kind, and is judged
    once."""

    def __init__(self, offers: Sequence[Offer]) -> None:
        terms = (term for offer in offers for term in offer.profile.spec.node_selector_terms)
        matched = {requirement.key for term in terms for requirement in term.match_expressions}
        self._offers = offers
        self._keys = (*matched, *(profile_label(offer.name) for offer in offers))
        self._known: dict[tuple[str | None, ...], dict[str, Offer]] = {}

    def offers_for(self, node: Node) -> Mapping[str, Offer]:
        """Those of the profiles that the node belongs to, by name, in their order."""
        kind = tuple(map(node.labels.get, self._keys))
        if kind not in self._known:
            self._known[kind] = {offer.name: offer for offer in self._offers if _member(offer.profile, node)}
        return self._known[kind]


def selected(nodes: Iterable[Node], placement: Placement) -> list[Node]:
    """Nodes the deployment asks for by label."""
    wanted = placement.node_selector.items()
    return [node for node in nodes if all(node.labels.get(key) == value for key, value in wanted)]


def _member(profile: DeviceProfile, node: Node) -> bool:
    """By its label, which outlives a match by a grace period; or by a match whose label is about to be written."""
    return profile_label(profile.metadata.name) in node.labels or belongs(profile, node.labels)


def _admitted(node: Node, offers: Collection[Offer], placement: Placement) -> bool:
    """Whether the node's taints let a pod of one of these profiles (or, where there is none, any pod of ours) in."""
    asked = [[*placement.tolerations, *offer.profile.spec.pod.tolerations] for offer in offers]
    return any(tolerated(node.taints, tolerations) for tolerations in asked or [placement.tolerations])


def tolerated(taints: Iterable[Mapping[str, str]], tolerations: Iterable[Toleration]) -> bool:
    """Whether a pod with these tolerations may be scheduled there, by the rules of the scheduler."""
    wanted = list(tolerations)
    return all(
        taint.get("effect") == "PreferNoSchedule"
        or taint.get("key") in _ALWAYS_TOLERATED
        or any(_tolerates(toleration, taint) for toleration in wanted)
        for taint in taints
    )


def _tolerates(toleration: Toleration, taint: Mapping[str, str]) -> bool:
    if toleration.effect and toleration.effect != taint.get("effect"):
        return False
    if toleration.key is None:
        return toleration.operator == "Exists"
    if toleration.key != taint.get("key"):
        return False
    return toleration.operator == "Exists" or (toleration.value or "") == taint.get("value", "")


def _nothing_fits(offers: Collection[Offer]) -> str:
    if not offers:
        return f"{Reason.NO_MATCHING_PROFILE}: no DeviceProfile matches its labels"
    return f"{Reason.NO_FITTING_BUILD}: " + "; ".join(f"{offer.name}: {offer.refusal}" for offer in offers)


def _obstacle(offer: Offer, node: Node) -> str:
    """Why the node cannot run the target with the offer it takes; empty when it can."""
    stays = f"; keeps serving {offer.keeps}" if offer.keeps else ""
    if offer.refusal:
        return f"{Reason.NO_BUILD_IN_TARGET}: {offer.name}: {offer.refusal}{stays}"
    if node.memory and offer.memory > node.memory:
        needs, has = binary(offer.memory), binary(node.memory)
        return f"{Reason.INSUFFICIENT_MEMORY}: the pod of {offer.name} needs {needs}, the node has {has}{stays}"
    return ""


def affinity(profile: str, better: Iterable[str] | None, placement: Placement, hold: str = "") -> dict[str, Any]:
    """Node affinity of a profile's workload: its own label is there, and no label of those before it in the order.

    better: those; None: no node takes this profile by the rule. hold: label of nodes that stay where they are. Then: as
    above and not held, or held on this profile. Empty: there are no holds.
    """
    selector: list[dict[str, Any]] = [
        {"key": key, "operator": "In", "values": [value]} for key, value in sorted(placement.node_selector.items())
    ]
    either: list[list[dict[str, Any]]] = []
    if better is not None:
        rule = [{"key": profile_label(profile), "operator": "Exists"}]
        rule += [{"key": profile_label(name), "operator": "DoesNotExist"} for name in better]
        either.append([*rule, *([{"key": hold, "operator": "DoesNotExist"}] if hold else []), *selector])
    if hold:
        either.append([{"key": hold, "operator": "In", "values": [profile]}, *selector])
    required = {"nodeSelectorTerms": [{"matchExpressions": term} for term in either]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}


def admits(affinity: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a workload with this node affinity, of whatever version of ours, has a pod on a node with such labels."""
    return any(
        all(holds(one["operator"], labels.get(one["key"]), one.get("values") or []) for one in term)
        for term in terms(affinity)
        if term
    )


def terms(affinity: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    """Of which one must hold in full."""
    required = affinity.get("nodeAffinity", {}).get("requiredDuringSchedulingIgnoredDuringExecution", {})
    return [term.get("matchExpressions") or [] for term in required.get("nodeSelectorTerms", ())]


def share(replicas: int, nodes: Mapping[str, int]) -> dict[str, int]:
    """Replicas shared out over profiles by their number of nodes (largest remainder, ties by name).

    Sums to `replicas`, unless there is no node at all.
    """
    total = sum(nodes.values())
    if total == 0:
        return dict.fromkeys(nodes, 0)
    whole = {name: replicas * count // total for name, count in nodes.items()}
    left = replicas - sum(whole.values())
    for name in sorted(nodes, key=lambda name: (-(replicas * nodes[name] % total), name))[:left]:
        whole[name] += 1
    return whole
