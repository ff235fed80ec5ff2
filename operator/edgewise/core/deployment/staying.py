"""Nodes stay with the profile that serves there until their turn for a better one comes.

Part of the view: where a node belongs by the rule (placement.place), and where it is as long as it is held.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from edgewise.api.names import hold_label
from edgewise.core import placement
from edgewise.core.observed import Node, ObservedDeployment
from edgewise.core.placement import Move, Offer, Placed


@dataclass(frozen=True)
class Hosts:
    """Profiles that can have pods at all, because there is an image for them."""

    running: frozenset[str]
    """Of those, what has a build of the target."""
    usable: frozenset[str]
    """Of those, what has a build of the target, or of the stable release."""
    able: frozenset[str]
    """All: where a node is held already, its device keeps what it serves."""


def hosts(offers: Iterable[Offer], able: Iterable[str]) -> Hosts:
    able = frozenset(able)
    known = [offer for offer in offers if offer.name in able]
    return Hosts(
        frozenset(offer.name for offer in known if not offer.refusal),
        frozenset(offer.name for offer in placement.order(known)),
        able,
    )


def held(observed: ObservedDeployment) -> dict[str, str]:
    """Node -> profile that it is held on for this deployment."""
    key = hold_label(observed.deployment.metadata.uid)
    return {node.name: node.labels[key] for node in observed.nodes if key in node.labels}


def staying(observed: ObservedDeployment, wanted: Placed, there: Hosts) -> Placed:
    """As wanted, but for nodes that have been somewhere else and were not let go yet."""
    if observed.deployment.spec.placement.mode != "PerNode":
        return wanted
    now = {node.name: _source(observed, node, there) for node in observed.nodes if node.name in wanted.taken}
    moves = {
        node: Move(source, wanted.taken[node], possible=node in wanted.nodes)
        for node, source in now.items()
        if source not in ("", wanted.taken[node])
    }
    return replace(_without(wanted, moves, there), moves=moves, origins=_origins(observed, there))


def _without(wanted: Placed, moves: dict[str, Move], there: Hosts) -> Placed:
    """With the nodes that move where they come from. One that cannot is there for good, with what there is for it."""
    serving = {node: m.source for node, m in moves.items() if m.possible or m.source in there.running}
    kept = {node: move.source for node, move in moves.items() if node not in serving}
    return replace(
        wanted,
        nodes={**wanted.nodes, **serving},
        kept={**{node: name for node, name in wanted.kept.items() if node not in moves}, **kept},
        unplaced={node: why for node, why in wanted.unplaced.items() if node not in serving},
    )


def _source(observed: ObservedDeployment, node: Node, there: Hosts) -> str:
    """Profile that the node has its pod from, as the store shows it; empty: none, or none that it could stay with."""
    held_on = node.labels.get(hold_label(observed.deployment.metadata.uid), "")
    if held_on in there.able:
        return held_on
    admitting = (one.profile for one in observed.workloads if placement.admits(one.affinity, node.labels))
    return next((profile for profile in admitting if profile in there.usable), "")


def _origins(observed: ObservedDeployment, there: Hosts) -> frozenset[str]:
    """Where nodes came from that have not arrived yet."""
    recorded = observed.deployment.status.moves or ()
    return frozenset(move.origin for move in recorded if move.trying and move.origin in there.able)
