"""How many devices may be without a pod that answers, for whatever reason pods are replaced: maxUnavailable of all."""

from __future__ import annotations

from edgewise.core.deployment.verdict import allowance
from edgewise.core.deployment.view import View
from edgewise.core.observed import ObservedDeployment


def away(observed: ObservedDeployment, seen: View) -> frozenset[str]:
    """Reachable nodes on which no pod answers that is there to stay."""
    answering = {(pod.node, pod.profile) for pod in observed.pods if pod.ready and not pod.deleting}
    return frozenset(one.name for one in seen.reachable if (one.name, one.profile) not in answering)


def overlapping(observed: ObservedDeployment) -> bool:
    """Whether a reachable node has a pod that ends, and answers on for a while, beside one of another profile."""
    staying: dict[str, set[str]] = {}
    for pod in observed.pods:
        if not pod.deleting:
            staying.setdefault(pod.node, set()).add(pod.profile)
    ending = [pod for pod in observed.pods if pod.deleting and pod.node in observed.online]
    return any(staying.get(pod.node, set()) - {pod.profile} for pod in ending)


def room(observed: ObservedDeployment, seen: View) -> int:
    """Devices that may be taken away now, beside those that are, and those that are let go at this look."""
    taken = away(observed, seen) | seen.transit.leaving
    return max(0, allowance(seen, observed.deployment.spec.rollout.max_unavailable) - len(taken))
