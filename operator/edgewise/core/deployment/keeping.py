"""A new target before the last one had reached everybody (A, B, then C): devices that got B keep it until it is their
turn for C, or nobody could tell a bad C from the way back to A. Likewise where B stays and the pods change with it.

It is on record in the plan, so only the look at which the target changes has to find out who serves what.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgewise.contract.plan import Plan as DevicePlan
from edgewise.core import release
from edgewise.core.deployment.course import rejected
from edgewise.core.deployment.standing import is_of
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
    if plan.target != plan.stable and not is_of(plan, seen):
        there = {**there, plan.target: sorted(_served(observed, seen, plan))}
    stable = seen.stable.name if seen.stable is not None else ""
    usable = set(release.known(observed.releases)) - {stable, *rejected(observed)}
    left = {name: sorted(set(nodes) - released) for name, nodes in there.items() if name in usable}
    return {name: nodes for name, nodes in sorted(left.items()) if nodes}


def keeps(observed: ObservedDeployment, seen: View, kept: Kept) -> tuple[Release, ...]:
    """The releases themselves, by name, but for the target, which is at hand anyway."""
    known, others = release.known(observed.releases), (name for name in kept if name != seen.target.name)
    return tuple(release.refreshed(known[name], observed.models) for name in others)


def _served(observed: ObservedDeployment, seen: View, plan: DevicePlan) -> set[str]:
    """Nodes that were released for the plan's target and have it, as far as anybody knows: a reachable one that has not
    spoken has it by now; one that is offline may have slept through it, and then shall not install it any more."""
    told = set(seen.placed.nodes) if plan.switch.all else set(plan.switch.nodes)
    said = {received.report.node: received.report.serving for received in observed.reports.values()}
    online = reachable(observed)
    return {name for name in told if (said[name] == plan.target if name in said else name in online)}
