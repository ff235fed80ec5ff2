"""The three conditions and how they move. kstatus: Ready always; Reconciling and Stalled only while they are True."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Literal

from edgewise.api.base import Condition
from edgewise.api.names import READY, RECONCILING, STALLED, Reason
from edgewise.core.outcome import Event, Finding, conditions_by_type


@dataclass(frozen=True)
class Verdict:
    """What a decision came to, before it is put into conditions."""

    ready: Literal["True", "False", "Unknown"]
    finding: Finding
    stalled: bool = False
    """A person must act."""
    reconciling: bool = False
    """edgewise is at work, and will look again."""
    quiet: bool = False
    """A step on the way, of which there would be an event a wave and more."""


def serving(reason: str, message: str) -> Verdict:
    return Verdict("True", Finding(reason, message))


def working(reason: str, message: str) -> Verdict:
    return Verdict("False", Finding(reason, message), reconciling=True)


def stalled(reason: str, message: str) -> Verdict:
    return Verdict("False", Finding(reason, message), stalled=True)


def timestamp(now: float) -> str:
    """Seconds since the epoch as RFC 3339, to the second, as Kubernetes writes it."""
    return datetime.fromtimestamp(int(now), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str | None) -> float | None:
    """Back from what `timestamp` wrote: seconds since the epoch."""
    return None if text is None else datetime.fromisoformat(text).timestamp()


def moved(old: Iterable[Condition] | None, verdict: Verdict, generation: int, now: float) -> list[Condition]:
    """The new conditions; lastTransitionTime moves only where the status flips."""
    before = conditions_by_type(old)
    wanted = [(READY, verdict.ready)]
    wanted += [(RECONCILING, "True")] if verdict.reconciling else []
    wanted += [(STALLED, "True")] if verdict.stalled else []
    return [
        Condition(
            type=kind,
            status=status,
            reason=verdict.finding.reason,
            message=_bounded(verdict.finding.message),
            observed_generation=generation,
            last_transition_time=_since(before.get(kind), status, now),
        )
        for kind, status in wanted
    ]


def _bounded(message: str, limit: int = 4000) -> str:
    return message if len(message) <= limit else message[: limit - 1] + "…"


def _since(old: Condition | None, status: str, now: float) -> str:
    if old is not None and old.status == status and old.last_transition_time:
        return old.last_transition_time
    return timestamp(now)


def events(old: Iterable[Condition] | None, verdict: Verdict) -> tuple[Event, ...]:
    """One event when Ready flips or its reason changes; none for a changed message."""
    before = conditions_by_type(old).get(READY)
    if before is not None and (before.status, before.reason) == (verdict.ready, verdict.finding.reason):
        return ()
    if verdict.quiet or (before is None and verdict.finding.reason == Reason.STARTING):
        return ()
    kind: Literal["Normal", "Warning"] = "Warning" if verdict.stalled else "Normal"
    return (Event(kind, verdict.finding.reason, _bounded(verdict.finding.message, 1000)),)
