"""Which labels of ours a node carries: those of its profiles, and those that hold it on one.

A profile's label is taken away only after a grace period: a re-enumerating Coral, or a restarting NFD, moves nothing.
Where a change of profile labels would move a deployment's pod, the same write holds the node on the profile it has:
when it moves is the deployment's business (core/deployment/moves.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from edgewise.api.names import HOLD_PREFIX, PROFILE_PREFIX, hold_label, profile_label
from edgewise.core.matching import belongs
from edgewise.core.observed import ObservedNode
from edgewise.core.outcome import NodeLabels
from edgewise.core.placement import admits


def decide(observed: ObservedNode, now: float) -> NodeLabels:
    """All labels of ours the node shall have. Profiles: those that match, those that matched until a grace period ago,
    and those nobody can judge now because the profile is unreadable or not listed yet. A deleted profile's label goes
    at once. Holds: see `_holds`."""
    node, grace = observed.node, observed.settings.label_grace
    present = {key.removeprefix(PROFILE_PREFIX) for key in node.labels if key.startswith(PROFILE_PREFIX)}
    known = {profile.metadata.name: profile for profile in observed.profiles}
    matching = {name for name, profile in known.items() if belongs(profile, node.labels)}
    unjudged = present & observed.invalid_profiles if observed.complete else present - known.keys()
    leaving = (present & known.keys()) - matching
    since = {name: observed.unmatched_since.get(name, now) for name in leaving}
    graced = {name: start for name, start in since.items() if now - start < grace}
    wanted = {profile_label(name): "" for name in sorted(matching | unjudged | graced.keys())}
    labels = {**wanted, **_holds(observed, wanted)}
    ours = {key: value for key, value in node.labels.items() if key.startswith((PROFILE_PREFIX, HOLD_PREFIX))}
    return NodeLabels(
        labels=labels,
        changed=labels.keys() != ours.keys() or any(labels[key] != ours[key] for key in labels if _is_hold(key)),
        unmatched_since=graced,
        requeue_after=min(graced.values()) + grace - now if graced else None,
    )


def _holds(observed: ObservedNode, profiles: Mapping[str, str]) -> dict[str, str]:
    """As there are, and as deployments ask for; new ones where the profile labels of now would move a pod. None of a
    deployment that is gone: but of namespaces that another operator watches nobody can tell."""
    present = {key: value for key, value in observed.node.labels.items() if _is_hold(key)}
    if present and observed.complete and observed.settings.everywhere:
        known = {hold_label(uid) for uid in observed.deployments}
        present = {key: value for key, value in present.items() if key in known}
    asked = {hold_label(uid): profile for uid, profile in observed.asked.items()}
    wanted = {**_moved(observed, profiles), **present, **asked}
    return {key: wanted[key] for key in sorted(wanted) if wanted[key]}


def _moved(observed: ObservedNode, profiles: Mapping[str, str]) -> dict[str, str]:
    """Label -> profile, of deployments whose pod would go with these profile labels."""
    before = observed.node.labels
    if profiles.keys() == {key for key in before if key.startswith(PROFILE_PREFIX)}:
        return {}
    after = {**{key: value for key, value in before.items() if not key.startswith(PROFILE_PREFIX)}, **profiles}
    known = {profile.metadata.name for profile in observed.profiles} | observed.invalid_profiles
    return {
        hold_label(uid): workload.profile
        for uid, workloads in observed.daemons.items()
        for workload in workloads
        if workload.profile in known and admits(workload.affinity, before) and not admits(workload.affinity, after)
    }


def _is_hold(key: str) -> bool:
    return key.startswith(HOLD_PREFIX)
