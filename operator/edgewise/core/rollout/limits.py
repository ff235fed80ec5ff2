"""What a wave must show, as numbers: spec.rollout read once, with the defaults that depend on nothing but itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgewise.api.edgedeployment import EdgeDeploymentSpec
from edgewise.api.rollout import Gates
from edgewise.api.units import seconds

GRACE = 90.0
"""Seconds a reachable device may be silent in a rollout; three intervals where those are longer."""
LATER_WAVES = 5
"""Percent of a wave's devices that may fail where spec.rollout.gates.maxFailed does not say."""


@dataclass(frozen=True)
class Limits:
    """Times are seconds, shares are 0 to 1, percentages whole numbers."""

    soak: float = 600.0
    deadline: float = 86400.0
    min_requests: int = 0
    on_too_few: str = "UseSelfTest"
    error_rate: float | None = None
    latency_ratio: float | None = None
    confidence_shift: float | None = None
    max_failed: int | None = None
    """Percent; None: nobody in the first wave, then LATER_WAVES."""
    max_unavailable: int = 10
    """Percent of a wave that may be late or silent once the others have arrived."""
    grace: float = GRACE
    rollback: bool = True
    """A failed gate returns the fleet; else it only stops the rollout."""


def limits(spec: EdgeDeploymentSpec) -> Limits:
    rollout, gates = spec.rollout, spec.rollout.gates or Gates()
    return Limits(
        soak=seconds(gates.soak),
        deadline=seconds(gates.deadline),
        min_requests=gates.min_requests,
        on_too_few=gates.on_too_few,
        error_rate=_number(gates.error_rate),
        latency_ratio=_number(gates.latency_ratio),
        confidence_shift=_number(gates.confidence_shift),
        max_failed=_percent(gates.max_failed),
        max_unavailable=_percent(rollout.max_unavailable) or 0,
        grace=max(GRACE, 3 * seconds(spec.reporting.during_rollout)),
        rollback=rollout.rollback_on_failure,
    )


def of_pods(asked: Limits) -> Limits:
    """Of pods that change while the release stays: a device counts what a release answers, whatever pod it ran in, so
    nothing compares the old pods with the new."""
    return replace(asked, min_requests=0, error_rate=None, latency_ratio=None, confidence_shift=None)


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)


def _percent(text: str | None) -> int | None:
    return None if text is None else int(text.rstrip("%"))


def nearest(percent: int, of: int) -> int:
    """So many percent of a number, rounded to the nearest: five percent of ten are one, of nine none."""
    return (of * percent + 50) // 100
