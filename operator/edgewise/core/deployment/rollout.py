"""Which devices may switch to the target, and the plan that tells them."""

from __future__ import annotations

from edgewise.contract.plan import Plan as DevicePlan
from edgewise.contract.plan import Switch
from edgewise.core import peers
from edgewise.core.children import plans
from edgewise.core.deployment.view import View
from edgewise.core.matching import Fit
from edgewise.core.observed import ObservedDeployment


def device_plan(observed: ObservedDeployment, seen: View) -> DevicePlan:
    """The plan under its number. Promotion is part of it: the target becomes the stable release, the old one goes."""
    stable = seen.target if seen.promoted else seen.stable
    addresses = peers.resolved(observed.deployment, observed.peers).addresses
    intent = plans.Intent(seen.target, stable, switch(observed, seen), _fits(seen), addresses)
    drawn = plans.document(observed.deployment, observed.settings, intent, [c.profile for c in seen.hosting])
    recorded = observed.deployment.status.plan
    return plans.sequenced(drawn, observed.plan, recorded.sequence if recorded else 0)


def _fits(seen: View) -> plans.Fits:
    """Builds per release that stays in the plan; the target's word counts where it is the stable release as well."""
    fits: dict[str, dict[str, Fit]] = {seen.target.name: {}}
    if seen.stable is not None and (seen.settled or not seen.promoted):
        fits[seen.stable.name] = {c.name: c.incumbent for c in seen.hosting if c.incumbent is not None}
    fits[seen.target.name] |= {c.name: c.fit for c in seen.hosting if c.fit.fits}
    return fits


def switch(observed: ObservedDeployment, seen: View) -> Switch:
    """Everybody may switch, but nodes that the target has nothing for; while paused, only those that already have."""
    if seen.stable is None or seen.promoted:
        return Switch()
    if observed.deployment.spec.rollout.paused:
        return Switch(all=False, nodes=sorted(_released(observed, seen) & seen.placed.nodes.keys()))
    return Switch(all=False, nodes=sorted(seen.placed.nodes)) if seen.placed.kept else Switch()


def _released(observed: ObservedDeployment, seen: View) -> set[str]:
    """Nodes that got the word before the pause, offline and silent ones too, but those known to serve something else:
    they wait, and nobody has to go back."""
    before = observed.plan
    if before is None or before.target != seen.target.name:
        return set()
    if not before.switch.all:
        return set(before.switch.nodes)
    return seen.placed.nodes.keys() - {
        received.report.node for received in observed.reports.values() if received.report.serving != before.target
    }
