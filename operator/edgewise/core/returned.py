"""Devices that are back before their kubelet says so: a report that came while the node was not Ready proves it.

After a cut a kubelet takes up to a minute to write its node's Ready again: its watches back off for 30 s, and until
then it compares with a stale copy. So pods on such nodes are asked now and then; whoever answers counts as reachable.
Pods are not replaced there: that takes a kubelet.
"""

from __future__ import annotations

from edgewise.core.observed import ObservedDeployment, Pod

PROOF_LASTS = 15.0
"""Seconds; three rounds of asking, so that one lost poke takes no device away again."""


def returned(observed: ObservedDeployment, now: float) -> frozenset[str]:
    """Names of the nodes that are not Ready and whose device has reported all the same, a moment ago."""
    away = _not_ready(observed)
    return frozenset(
        received.report.node
        for received in observed.reports.values()
        if received.node_unready and received.report.node in away and now - received.at < PROOF_LASTS
    )


def to_ask(observed: ObservedDeployment) -> list[Pod]:
    """Pods on nodes that are not Ready. Those that are back have to go on proving it."""
    away = _not_ready(observed)
    return [pod for pod in observed.pods if pod.ip and pod.node in away and not pod.deleting]


def _not_ready(observed: ObservedDeployment) -> frozenset[str]:
    return frozenset(node.name for node in observed.nodes if not node.ready)
