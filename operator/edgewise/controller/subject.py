"""The object a reconcile is about, as far as writing its status needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgewise.api.base import Condition, Status
from edgewise.cluster.projections import Record, Unreadable
from edgewise.core import conditions
from edgewise.core.outcome import Finding, Plan


@dataclass(frozen=True)
class Subject:
    """One of our kinds, readable or not."""

    record: Record
    status: Mapping[str, Any]
    """The whole status as last observed."""
    conditions: list[Condition]
    generation: int


def subject_of(record: Record) -> Subject:
    """Of the record of an EdgeDeployment, EdgeModel or DeviceProfile."""
    value = record.value
    status: Status = value.status
    raw = value.raw_status if isinstance(value, Unreadable) else status.wire()
    return Subject(record, raw, list(status.conditions or ()), value.metadata.generation)


def stalled(subject: Subject, finding: Finding, now: float) -> Plan:
    """Says that a person must act, and leaves everything else that the status says as it is."""
    verdict = conditions.stalled(finding.reason, finding.message)
    moved = conditions.moved(subject.conditions, verdict, subject.generation, now)
    written = Status(observed_generation=subject.generation, conditions=moved).wire()
    return Plan(status={**subject.status, **written}, events=conditions.events(subject.conditions, verdict))
