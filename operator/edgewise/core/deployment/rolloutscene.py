"""The scene of a rollout, gathered for the engine from the view, the nodes and the newest reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgewise.api.units import seconds
from edgewise.contract.report import Report
from edgewise.core.deployment.podprogress import PodProgress
from edgewise.core.deployment.standing import standing
from edgewise.core.deployment.view import View
from edgewise.core.observed import Node, ObservedDeployment, ReceivedReport
from edgewise.core.progress import NodeProgress
from edgewise.core.rollout.behaviour import Witness, behaviour
from edgewise.core.rollout.evidence import Trial, evidence
from edgewise.core.rollout.limits import limits, of_pods
from edgewise.core.rollout.queries import inquiries
from edgewise.core.rollout.scene import Scene
from edgewise.core.rollout.waves import Member, whole

LATE = 1.2
"""Share of their interval within which all devices have reported, their jitter included."""


def rollout_scene(observed: ObservedDeployment, seen: View, now: float) -> Scene:
    rollout, asked = observed.deployment.spec.rollout, limits(observed.deployment.spec)
    asked = of_pods(asked) if seen.settled else asked
    waves, heard = whole(rollout.waves), _newest(observed)
    at = standing(observed, seen, len(waves), now)
    since = max(at.since, observed.heard_since)  # before, there was nothing to report, or nobody to report to
    devices = _on_their_way(observed, seen, at.since + asked.deadline, now)
    silent = {
        device.name
        for device in (() if seen.settled else devices)  # settled devices report too rarely, and their pods speak
        if now - max(since, heard[device.name].at if device.name in heard else 0.0) > asked.grace
    }
    members = _members(observed, seen, devices, silent)
    there = [member for member in members if member.reachable and member.name in at.released and member.name in heard]
    witnesses = [] if seen.settled else [_witness(seen, one, heard[one.name].report, rollout.retry) for one in there]
    return Scene(
        release=seen.rolling,
        waves=waves,
        limits=asked,
        members=members,
        standing=at,
        now=now,
        behaviour=behaviour(witnesses, asked.min_requests),
        self_tested=all(model.self_test is not None for model in seen.target.models.values()),
        inquiries=inquiries(observed.deployment, seen.target.name, observed.answers, at.since),
        prometheus=observed.settings.prometheus,
        window=rollout.window,
        paused=rollout.paused,
        promote=rollout.promote,
        listening_until=listening_until(observed),
        needed_elsewhere=bool(seen.placed.kept) and not seen.settled,
    )


def listening_until(observed: ObservedDeployment) -> float:
    """When every device has had its turn to report to an operator that has just started."""
    return observed.heard_since + LATE * seconds(observed.deployment.spec.reporting.during_rollout)


def _newest(observed: ObservedDeployment) -> Mapping[str, ReceivedReport]:
    """Node -> the newest report from there."""
    received = sorted(observed.reports.values(), key=lambda one: one.at)
    return {one.report.node: one for one in received}


def _on_their_way(observed: ObservedDeployment, seen: View, deadline: float, now: float) -> list[NodeProgress]:
    """All devices; where the release stays, those that get other pods."""
    pods, changed = PodProgress.of(observed, seen, deadline, now), seen.templates.profiles
    return [pods.known(device) for device in seen.devices if not seen.settled or device.profile in changed]


def _members(
    observed: ObservedDeployment, seen: View, devices: Sequence[NodeProgress], silent: set[str]
) -> tuple[Member, ...]:
    nodes = {node.name: node for node in observed.nodes}
    moves = seen.placed.moves
    goals = {device.name: moves[device.name].goal if device.name in moves else device.profile for device in devices}
    return tuple(_member(nodes[device.name], device, goals[device.name], device.name in silent) for device in devices)


def _member(node: Node, device: NodeProgress, goal: str, quiet: bool) -> Member:
    """goal: the profile it has, or moves to."""
    return Member(
        name=device.name,
        profile=goal,
        labels=node.labels,
        created=node.created,
        state=device.state,
        silent=quiet and device.state not in ("offline", "starting"),
        reason=device.reason,
        says=": ".join(filter(None, (device.reason, device.message))),
    )


def _witness(seen: View, member: Member, report: Report, retried: str) -> Witness:
    target, stable = seen.target.name, seen.stable.name if seen.stable is not None else None
    trial = Trial(member.name, evidence(report, target, target == retried), evidence(report, stable))
    return Witness(member.profile, trial)
