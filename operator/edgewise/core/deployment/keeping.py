"""A new target before the last one had reached everybody (A, B, then C): devices that got B keep it until it is their
turn for C, or nobody could tell a bad C from the way back to A.

It is on record in the plan, so only the look at which the target changes has to find out who serves what.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgewise.contract.plan import Plan as DevicePlan
from edgewise.core import release
from edgewise.core.deployment.course import rejected
from edgewise.core.deployment.view import View
from edgewise.core.observed import ObservedDeployment
from edgewise.core.progress import reachable
from edgewise.core.release import Release

Kept = Mapping[str, list[str]]
"""{release: nodes, sorted}."""


def keeping(observed: ObservedDeployment, seen: View, released: frozenset[str]) -> dict[str, list[str]]:
    """What each node serves until it is released for the target, where that is not the stable release."""
    plan = observed.plan
    if plan is None:
        return {}
    there = plan.switch.keep or {}
    if plan.target not in (seen.target.name, plan.stable):
        there = {**there, plan.target: sorted(_served(observed, seen, plan))}
    left = {name: sorted(set(nodes) - released) for name, nodes in there.items() if _usable(observed, seen, name)}
    return {name: nodes for name, nodes in sorted(left.items()) if nodes}


def keeps(observed: ObservedDeployment, kept: Kept) -> tuple[Release, ...]:
    """The releases themselves, by name."""
    known = release.known(observed.releases)
    return tuple(release.refreshed(known[name], observed.models) for name in kept)


def _usable(observed: ObservedDeployment, seen: View, name: str) -> bool:
    stable = seen.stable.name if seen.stable is not None else ""
    wanted = name not in (seen.target.name, stable) and name not in rejected(observed)
    return wanted and name in release.known(observed.releases)


def _served(observed: ObservedDeployment, seen: View, plan: DevicePlan) -> set[str]:
    """Nodes that were released for the plan's target and have it, as far as anybody knows: a reachable one that has not
    spoken has it by now; one that is offline may have slept through it, and then shall not install it any more."""
    told = set(seen.placed.nodes) if plan.switch.all else set(plan.switch.nodes)
    said = {received.report.node: received.report.serving for received in observed.reports.values()}
    online = reachable(observed)
    return {name for name in told if (said[name] == plan.target if name in said else name in online)}
