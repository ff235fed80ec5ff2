"""How nodes get along that were let go: who serves from its new profile, and who has to go back.

What was tried outlives the operator in status.moves; a move that failed stays refused until something about it is
another one, or a person says so. Called by moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from edgewise.api.rollout import MoveStatus
from edgewise.core.conditions import moment, timestamp
from edgewise.core.deployment.view import View
from edgewise.core.observed import ObservedDeployment, Pod
from edgewise.core.progress import NodeProgress

PATIENCE = 600.0
"""Seconds that a pod which says nothing of a download may take to get ready."""
STUMBLING = 60.0
"""Seconds that a kubelet may have trouble with a pod before it counts: a registry that is away for a moment."""
AT_ONCE = 64
"""Nodes that may be on trial for one move: all of them are told by name."""
TEXT = 1024  # characters; the longest that api.base.Text takes

Pair = tuple[str, str]
"""The profiles a move goes from and to."""


@dataclass(frozen=True)
class Trial:
    """One pair of profiles, at one look."""

    before: MoveStatus
    """As it is on record."""
    attempt: str
    """What is tried: release and pod template."""
    waiting: frozenset[str] = frozenset()
    trying: frozenset[str] = frozenset()
    arrived: int = 0
    """In all."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """Node -> why it goes back. They count as trying until their hold is in the store."""
    refused: str = ""
    """Why nobody goes any more; empty: they do."""
    since: float = 0.0
    released: frozenset[str] | None = None
    """Nodes whose wave has come; None: there are no waves."""
    wave: Mapping[str, Any] = field(default_factory=dict)
    """How far those are: members of MoveStatus."""

    @property
    def origin(self) -> str:
        return self.before.origin

    @property
    def goal(self) -> str:
        return self.before.to

    def told(self, leaving: frozenset[str], now: float) -> MoveStatus | None:
        """For the status; None: it is done, and nothing is left to say."""
        mine = self.waiting & leaving
        trying, waiting = self.trying | mine | self.failed.keys(), len(self.waiting - mine)
        if not trying and not waiting:
            return None
        return MoveStatus(
            origin=self.origin,
            to=self.goal,
            nodes=self.arrived + len(trying) + waiting,
            moved=self.arrived,
            trying=sorted(trying) or None,
            tried_at=timestamp(now if mine else self.since) if trying else None,
            attempt=self.attempt,
            refused=self.refused[:TEXT] or None,
            **self.wave,
        )

    def marching(self, released: frozenset[str], refused: str, wave: Mapping[str, Any]) -> Trial:
        """The same by waves."""
        return replace(self, released=released, refused=self.refused or refused, wave=wave)


def trials(observed: ObservedDeployment, seen: View, now: float) -> list[Trial]:
    """Of every pair that nodes move between, or are on record for; sorted."""
    recorded = {(move.origin, move.to): move for move in observed.deployment.status.moves or ()}
    pairs = {(move.source, move.goal) for move in seen.placed.moves.values()} | recorded.keys()
    return [
        _trial(observed, seen, recorded.get(pair, MoveStatus(origin=pair[0], to=pair[1])), now)
        for pair in sorted(pairs)
    ]


def _trial(observed: ObservedDeployment, seen: View, before: MoveStatus, now: float) -> Trial:
    devices = {one.name: one for one in seen.devices if one.profile == before.to}
    there = [devices[name] for name in before.trying or () if name in devices and name not in seen.placed.moves]
    tried_at = moment(before.tried_at)
    since = now if tried_at is None else tried_at
    arrived = frozenset(device.name for device in there if device.ready)
    attempt = _attempt(observed, seen, before.to)
    failed = {one.name: why for one in there if not one.ready and (why := _trouble(observed, one, now - since))}
    refused = _still(observed, before, attempt) or _in_words(before, failed)
    if refused:  # then nobody else has to find it out
        failed = {device.name: refused for device in there if not device.ready}
    if before.origin not in {candidate.name for candidate in seen.candidates if candidate.image}:
        failed = {}  # there is nothing to go back to
    return Trial(
        before,
        attempt,
        waiting=frozenset(
            name for name, move in seen.placed.moves.items() if (move.source, move.goal) == (before.origin, before.to)
        ),
        trying=frozenset(device.name for device in there) - arrived - failed.keys(),
        arrived=before.moved + len(arrived),
        failed=failed,
        refused=refused,
        since=since,
    )


def _attempt(observed: ObservedDeployment, seen: View, goal: str) -> str:
    template = next((workload.template for workload in observed.workloads if workload.profile == goal), "")
    return f"{seen.target.name}/{template}"


def _still(observed: ObservedDeployment, before: MoveStatus, attempt: str) -> str:
    """What was refused before; empty where another thing is tried now, or a person asked for it."""
    rollout, recorded = observed.deployment.spec.rollout, observed.deployment.status.release
    forgiven = rollout.retry == before.to and (recorded is None or recorded.retried != rollout.retry)
    return "" if forgiven or before.attempt != attempt else before.refused or ""


def _in_words(before: MoveStatus, failed: Mapping[str, str]) -> str:
    """Why nobody else goes, by the first of those who failed."""
    for name, why in sorted(failed.items()):
        return f"{name} does not serve from {before.to}, and goes back to {before.origin}: {why}"
    return ""


def _trouble(observed: ObservedDeployment, device: NodeProgress, waited: float) -> str:
    """Why the device is not going to serve from its new profile; empty: it may be."""
    pods = [
        pod for pod in observed.pods if (pod.node, pod.profile, pod.deleting) == (device.name, device.profile, False)
    ]
    if device.state == "failed":
        return f"{device.reason}: {device.message}"
    problem = next((pod.problem for pod in pods if pod.problem), "")
    if problem.startswith("CrashLoopBackOff") or (problem and waited >= STUMBLING):
        return problem
    if device.state == "offline" or waited < PATIENCE or _downloads(observed, pods):
        return ""
    return f"it is not ready after {PATIENCE / 60:.0f} minutes"


def _downloads(observed: ObservedDeployment, pods: Iterable[Pod]) -> bool:
    said = [observed.reports[pod.name].report for pod in pods if pod.name in observed.reports]
    return any(model.state == "Downloading" for report in said for model in report.models)
