"""Moves between profiles: a better build, a better profile, another label of a node.

A DaemonSet's pods go at once, and everywhere, when its affinity or the labels of nodes change. So a node that belongs
somewhere else from now on is first *held* where it is, by a label. Once all holds are known to everybody, workloads get
the affinities of the new order, which change nothing for nodes that are held. Then the holds are taken away again:
by waves where somebody asks for them, else one device after the other. A device that does not serve from its new
profile is held again, and with that it goes back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgewise.api.names import hold_label, short_hash
from edgewise.core import placement
from edgewise.core.deployment.arrivals import AT_ONCE, Trial, trials
from edgewise.core.deployment.availability import away
from edgewise.core.deployment.course import goes_in_waves
from edgewise.core.deployment.marching import march
from edgewise.core.deployment.replacing import lacks_image
from edgewise.core.deployment.staying import held
from edgewise.core.deployment.transit import Transit
from edgewise.core.deployment.verdict import allowance
from edgewise.core.deployment.view import View
from edgewise.core.observed import ObservedDeployment

SEEN_BY_ALL = 5.0
"""Seconds from when a hold is in the store until affinities may count on it: the DaemonSet controller reads nodes and
DaemonSets from two streams, and the one may be behind the other."""
SOON = 1.0
"""Seconds until the next look while something is waited for that comes without an event."""
LATER = 5.0
"""The same while devices are on their way, which comes with events, but for those that never arrive."""

Affinities = Mapping[str, dict[str, Any]]
"""By profile."""


def transit(observed: ObservedDeployment, seen: View, now: float) -> Transit:
    """One step of all moves; the same scene gives the same step."""
    intended = _affinities(observed, seen)
    if observed.deployment.spec.placement.mode != "PerNode":
        return Transit(intended, let_go=tuple(sorted(held(observed))))
    there, tried = held(observed), _tried(observed, seen, now)
    in_force = _in_force(observed, intended)
    leaving = _leaving(observed, seen, tried, now) if in_force else frozenset()
    wanted = {name: move.source for name, move in seen.placed.moves.items() if name not in leaving}
    wanted |= {name: trial.origin for trial in tried for name in trial.failed}
    known = _all_held(observed, seen, now)
    pointless = there.keys() - wanted.keys()
    return Transit(
        affinities=intended if known else _present(observed),
        leaving=leaving,
        hold={name: profile for name, profile in sorted(wanted.items()) if there.get(name) != profile},
        let_go=tuple(sorted(pointless)) if in_force else (),
        moves=tuple(move for trial in tried if (move := trial.told(leaving, now)) is not None),
        again=(LATER if known and in_force else SOON) if pointless or _going_on(observed, seen, tried) else None,
    )


def _tried(observed: ObservedDeployment, seen: View, now: float) -> list[Trial]:
    """With the word of the waves, where they have one."""
    found = trials(observed, seen, now)
    marches = [march(observed, seen, trial, now) for trial in found]
    return [
        trial.marching(step.released, step.refused, step.told) if step else trial
        for trial, step in zip(found, marches, strict=True)
    ]


def _affinities(observed: ObservedDeployment, seen: View) -> Affinities:
    """Of all workloads, as they shall be. Only a DaemonSet's know holds: a Deployment's pods would all be replaced."""
    where = observed.deployment.spec.placement
    hold = hold_label(observed.deployment.metadata.uid) if where.mode == "PerNode" else ""
    return {c.name: placement.affinity(c.name, seen.better(c.name), where, hold) for c in seen.hosting}


def _present(observed: ObservedDeployment) -> Affinities:
    return {workload.profile: dict(workload.affinity) for workload in observed.workloads}


def _in_force(observed: ObservedDeployment, intended: Affinities) -> bool:
    """Whether the DaemonSet controller goes by them: only then does taking a hold away do what is meant by it."""
    there = {workload.profile: workload for workload in observed.workloads}
    return all(
        name in there and there[name].synced and placement.terms(there[name].affinity) == placement.terms(affinity)
        for name, affinity in intended.items()
    )


def _all_held(observed: ObservedDeployment, seen: View, now: float) -> bool:
    """Long enough for everybody to know."""
    there = held(observed)
    return all(
        there.get(name) == move.source and _known(observed, name, now) for name, move in seen.placed.moves.items()
    )


def _known(observed: ObservedDeployment, name: str, now: float) -> bool:
    """Whether everybody knows of the node's hold, and of the Service that is about to send clients to two pods."""
    return observed.held_since.get(name, now) <= now - SEEN_BY_ALL


def _leaving(observed: ObservedDeployment, seen: View, tried: Sequence[Trial], now: float) -> frozenset[str]:
    """Nodes whose turn it is: those that do not serve anyhow, and as many others as maxUnavailable leaves room for.
    Where nobody serves from a profile yet, one goes ahead, and the others wait for it."""
    absent = away(observed, seen)
    room = allowance(seen, observed.deployment.spec.rollout.max_unavailable) - len(absent)
    chosen = set[str]()
    for trial in tried:
        most = AT_ONCE - len(trial.trying) if _proven(seen, trial.goal) else 1 - len(trial.trying)
        for name in _candidates(observed, seen, trial, now)[: max(0, most)]:
            free = name in absent
            if free or room > 0:
                chosen.add(name)
                room -= not free
    return frozenset(chosen)


def _candidates(observed: ObservedDeployment, seen: View, trial: Trial, now: float) -> list[str]:
    """Nodes of the move that may go, in the order in which they do; those that do not serve first."""
    if trial.refused or observed.deployment.spec.rollout.paused:
        return []
    ripe = [
        name
        for name in trial.waiting & observed.online
        if seen.placed.moves[name].possible and _known(observed, name, now)
    ]
    absent = away(observed, seen)
    may = {name for name in ripe if _released(observed, seen, trial, name)} - lacks_image(observed, seen)
    return sorted(may, key=lambda name: (name not in absent, short_hash(f"{trial.attempt}/{name}", 16)))


def _released(observed: ObservedDeployment, seen: View, trial: Trial, name: str) -> bool:
    """A node that moves for a release goes with its wave, once the devices can know of it."""
    if not goes_in_waves(observed, seen.course):
        return trial.released is None or name in trial.released
    plan = observed.plan
    return plan is not None and plan.target == seen.target.name and plan.wanted(name) == plan.target


def _proven(seen: View, profile: str) -> bool:
    return any(device.ready and device.profile == profile for device in seen.devices)


def _going_on(observed: ObservedDeployment, seen: View, tried: Sequence[Trial]) -> bool:
    """Whether somebody who can be reached is on the way, or could be."""
    if observed.deployment.spec.rollout.paused:
        return any(trial.trying for trial in tried)
    going = (name for trial in tried if not trial.refused for name in trial.waiting & observed.online)
    trying = any(trial.trying & observed.online for trial in tried)
    return trying or any(seen.placed.moves[name].possible for name in going)
