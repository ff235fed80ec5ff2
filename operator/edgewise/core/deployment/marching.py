"""Moves that no release is the reason for, by the waves that somebody asks for: with the same engine and the same draw.

On record is the wave, in status.moves; who was let go before is who is held no more. Called by moves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgewise.api.rollout import MoveStatus, Wave
from edgewise.core.conditions import moment, timestamp
from edgewise.core.deployment.arrivals import TEXT, Trial
from edgewise.core.deployment.course import by_waves
from edgewise.core.deployment.rolloutscene import listening_until
from edgewise.core.deployment.view import View
from edgewise.core.observed import ObservedDeployment
from edgewise.core.rollout import engine
from edgewise.core.rollout.limits import limits, of_pods
from edgewise.core.rollout.scene import Scene, Standing, Step
from edgewise.core.rollout.waves import Draw, Member, extent, whole


@dataclass(frozen=True)
class March:
    """One look at one pair of profiles."""

    released: frozenset[str]
    """Nodes whose wave has come."""
    refused: str
    """What speaks against going on; empty: nothing."""
    told: Mapping[str, Any]
    """How far it is: members of MoveStatus."""


def march(observed: ObservedDeployment, seen: View, trial: Trial, now: float) -> March | None:
    """None: waves have no say in it. A release that is on its way has its own, and takes its nodes along."""
    if not (seen.settled and by_waves(observed, seen.course)):
        return None
    waves, members = whole(observed.deployment.spec.rollout.waves), _members(observed, seen, trial)
    rollout, gone = observed.deployment.spec.rollout, frozenset(m.name for m in members) - trial.waiting
    scene = Scene(
        release=trial.goal,
        waves=waves,
        limits=of_pods(limits(observed.deployment.spec)),
        members=members,
        standing=_standing(trial.before, waves, members, gone, now),
        now=now,
        window=rollout.window,
        paused=rollout.paused,
        promote=rollout.promote,
        listening_until=listening_until(observed),
    )
    step = engine.step(scene)
    return March(step.standing.released, _against(step), _told(step, len(waves)))


def _members(observed: ObservedDeployment, seen: View, trial: Trial) -> tuple[Member, ...]:
    """Who waits, and who has the profile that they go to already: it has been tried there."""
    states = {device.name: device.state for device in seen.devices if device.profile == trial.goal}
    states |= {name: "working" if name in observed.online else "offline" for name in trial.waiting}
    return tuple(
        Member(node.name, trial.goal, node.labels, node.created, states[node.name])
        for node in observed.nodes
        if node.name in states
    )


def _standing(
    before: MoveStatus, waves: Sequence[Wave], members: Sequence[Member], gone: frozenset[str], now: float
) -> Standing:
    """gone: nodes that were let go, or were there before."""
    number = min(before.wave or 0, len(waves))
    drawn = Draw(before.to, before.started_at or "").order(members, gone)
    return Standing(
        wave=number,
        released=gone | extent(waves[number - 1], drawn) if number else gone,
        began=moment(before.started_at) or now,
        since=moment(before.wave_started_at) or now,
        soak_ends=moment(before.soak_ends_at),
    )


def _told(step: Step, waves: int) -> dict[str, Any]:
    now, word = step.standing, step.word
    return {
        "wave": now.wave,
        "waves": waves,
        "started_at": timestamp(now.began) if now.wave else None,
        "wave_started_at": timestamp(now.since) if now.wave else None,
        "soak_ends_at": timestamp(now.soak_ends) if now.soak_ends is not None else None,
        "reason": f"{word.reason}: {word.message}"[:TEXT] if word is not None else None,
    }


def _against(step: Step) -> str:
    return step.word.message if step.word is not None and step.word.stance == "reject" else ""
