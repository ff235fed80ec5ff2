"""How far a rollout is, read back from what is on record: the plan says who has the release, the status since when.

Both outlive the operator. Where they disagree (it ended between the two writes) the plan is right, and its wave counts
as released just now: it soaks a little longer, and nothing is released twice.
"""

from __future__ import annotations

from edgewise.api.rollout import RolloutStatus
from edgewise.contract.plan import Plan as DevicePlan
from edgewise.contract.plan import Switch
from edgewise.core.conditions import moment, timestamp
from edgewise.core.deployment.view import View
from edgewise.core.observed import ObservedDeployment
from edgewise.core.rollout.scene import Standing


def standing(observed: ObservedDeployment, seen: View, waves: int, now: float) -> Standing:
    """Of the target, over so many waves."""
    plan, recorded = observed.plan, observed.deployment.status.rollout or RolloutStatus()
    if plan is None or not is_of(plan, seen):
        return Standing(released=_exposed(observed, seen))
    named = recorded.release, recorded.pods
    mine = recorded if named == (plan.target, plan.switch.template) else RolloutStatus()
    number = _number(plan.switch, waves, edited=mine.waves not in (None, waves))
    same = mine if mine.wave == number else RolloutStatus()
    return Standing(
        wave=number,
        released=_released(plan, seen) | _exposed(observed, seen),
        began=moment(mine.started_at) or now,
        since=moment(same.wave_started_at) or now,
        soak_ends=moment(same.soak_ends_at),
        replaced=same.replaced or 0,
    )


def is_of(plan: DevicePlan, seen: View) -> bool:
    """Whether the plan speaks of what is on its way now: this release, and these pods if any."""
    return plan.target == seen.target.name and seen.templates.name in (plan.switch.template or "", "")


def recorded(seen: View, now: Standing, waves: int) -> RolloutStatus:
    """The same for the status, but for what a person reads."""
    return RolloutStatus(
        release=seen.target.name,
        pods=seen.templates.name or None,
        wave=now.wave,
        waves=waves,
        started_at=timestamp(now.began) if now.wave else None,
        wave_started_at=timestamp(now.since) if now.wave else None,
        soak_ends_at=timestamp(now.soak_ends) if now.soak_ends is not None else None,
        replaced=now.replaced or None,
    )


def _number(switch: Switch, waves: int, edited: bool) -> int:
    """Of the newest wave released. A list of waves that somebody shortened does not release everybody at once."""
    if switch.all:
        return waves
    if switch.wave is None:  # it began without waves, or nobody has it yet but by chance
        return waves - 1 if switch.nodes and switch.template is None else 0
    return min(switch.wave, waves - 1 if edited else waves)


def _exposed(observed: ObservedDeployment, seen: View) -> frozenset[str]:
    """Of changed pods alone: where one of them runs already, whoever made it run there."""
    made = seen.templates.wanted if seen.settled else {}
    changed = seen.templates.profiles
    return frozenset(
        pod.node
        for pod in observed.pods
        if pod.profile in changed and pod.profile in made and pod.template == made[pod.profile].hash and pod.node
    )


def _released(plan: DevicePlan, seen: View) -> frozenset[str]:
    return frozenset(seen.placed.nodes) if plan.switch.all else frozenset(plan.switch.nodes)
