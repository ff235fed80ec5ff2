"""DeviceProfile: counts its nodes. It makes no children; deployments refer to it by name."""

from __future__ import annotations

from edgewise.api.deviceprofile import DeviceProfileStatus
from edgewise.api.names import Reason, profile_label
from edgewise.core import conditions
from edgewise.core.observed import ObservedProfile
from edgewise.core.outcome import Plan


def decide(observed: ObservedProfile, now: float) -> Plan:
    """Ready says that the profile is in use or may be; it is never a problem that no such node exists yet."""
    profile = observed.profile
    label = profile_label(profile.metadata.name)
    count = sum(label in node.labels for node in observed.nodes)
    if count:
        verdict = conditions.serving(Reason.ACCEPTED, f"{count} node{'s' if count > 1 else ''} of this class")
    else:
        verdict = conditions.serving(Reason.NO_NODES_YET, "no node carries the labels of nodeSelectorTerms")
    status = DeviceProfileStatus(
        observed_generation=profile.metadata.generation,
        conditions=conditions.moved(profile.status.conditions, verdict, profile.metadata.generation, now),
        nodes=count,
    )
    return Plan(status=status.wire())
