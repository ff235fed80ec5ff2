"""The plan document of a deployment: the course and the stage of its rollout, told to the devices."""

from __future__ import annotations

from edgewise.contract.plan import Plan as DevicePlan
from edgewise.core import peers
from edgewise.core.children import plans
from edgewise.core.deployment.course import rejected
from edgewise.core.deployment.view import View, served
from edgewise.core.matching import Fit
from edgewise.core.observed import ObservedDeployment


def device_plan(observed: ObservedDeployment, seen: View) -> DevicePlan:
    """The plan under its number. Promotion is part of it: the target becomes the stable release, the old one goes."""
    intent = plans.Intent(
        target=seen.target,
        stable=seen.target if seen.stage.promoted else seen.stable,
        switch=seen.stage.switch,
        fits=_fits(observed, seen),
        addresses=peers.resolved(observed.deployment, observed.peers).addresses,
        rejected=rejected(observed),  # as on record: what is rejected at this very look leaves the plan at the next
        kept=seen.stage.kept,
    )
    drawn = plans.document(observed.deployment, observed.settings, intent, [c.profile for c in seen.hosting])
    recorded = observed.deployment.status.plan
    return plans.sequenced(drawn, observed.plan, recorded.sequence if recorded else 0)


def _fits(observed: ObservedDeployment, seen: View) -> plans.Fits:
    """Builds per release that stays in the plan; the target's word counts where it is the stable release as well."""
    fits: dict[str, dict[str, Fit]] = {seen.target.name: {}}
    if seen.stable is not None and (seen.settled or not seen.stage.promoted):
        fits[seen.stable.name] = {c.name: c.incumbent for c in seen.hosting if c.incumbent is not None}
    fits[seen.target.name] |= {c.name: c.fit for c in seen.hosting if c.fit.fits}
    for kept in seen.stage.kept:
        found = {c.name: served(observed, kept, c.profile) for c in seen.hosting}
        fits[kept.name] = {name: fit for name, fit in found.items() if fit is not None}
    return fits
