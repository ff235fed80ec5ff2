"""An object this operator cannot read (written under a newer or an older CRD): it says so, and touches nothing else."""

from __future__ import annotations

from edgewise.api.base import Metadata, Status
from edgewise.api.names import Reason
from edgewise.core import conditions
from edgewise.core.outcome import Plan


def decide(metadata: Metadata, status: Status, error: str, now: float) -> Plan:
    """Stalled, with the parser's words; children stay as they are."""
    verdict = conditions.stalled(
        Reason.INVALID_SPEC,
        f"this operator cannot read the object: {error}. Correct the field, or align operator and CRDs.",
    )
    moved = conditions.moved(status.conditions, verdict, metadata.generation, now)
    written = Status(observed_generation=metadata.generation, conditions=moved).wire()
    return Plan(status=written, events=conditions.events(status.conditions, verdict))
