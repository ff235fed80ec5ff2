"""Which profile labels a node carries.

A label is taken away only after a grace period: a re-enumerating Coral, or a restarting NFD, moves nothing.
"""

from __future__ import annotations

from edgewise.api.names import PROFILE_PREFIX, profile_label
from edgewise.core.matching import belongs
from edgewise.core.observed import ObservedNode
from edgewise.core.outcome import NodeLabels


def decide(observed: ObservedNode, now: float) -> NodeLabels:
    """All profile labels the node shall have: those that match, those that matched until a grace period ago, and those
    nobody can judge now because the profile is unreadable or not listed yet. A deleted profile's label goes at once."""
    node, grace = observed.node, observed.settings.label_grace
    present = {key.removeprefix(PROFILE_PREFIX) for key in node.labels if key.startswith(PROFILE_PREFIX)}
    known = {profile.metadata.name: profile for profile in observed.profiles}
    matching = {name for name, profile in known.items() if belongs(profile, node.labels)}
    unjudged = present & observed.invalid_profiles if observed.complete else present - known.keys()
    leaving = (present & known.keys()) - matching
    since = {name: observed.unmatched_since.get(name, now) for name in leaving}
    graced = {name: start for name, start in since.items() if now - start < grace}
    wanted = matching | unjudged | graced.keys()
    return NodeLabels(
        labels={profile_label(name): "" for name in sorted(wanted)},
        changed=wanted != present,
        unmatched_since=graced,
        requeue_after=min(graced.values()) + grace - now if graced else None,
    )
