"""What the devices of a wave have shown, as the figures the gates compare: of all together, and of each profile that
has enough devices to speak for itself. The worst counts: a build may be bad on one kind of device only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from edgewise.core.rollout import judgement
from edgewise.core.rollout.evidence import Trial
from edgewise.core.rollout.judgement import Figure
from edgewise.core.rollout.scene import Behaviour

SPEAK_FOR_A_PROFILE = 3
"""Devices; fewer are one device's word."""

Group = tuple[str, Sequence[Trial]]
"""Profile (empty: all) and its trials."""


@dataclass(frozen=True)
class Witness:
    """A device of the wave that has reported."""

    profile: str
    trial: Trial


def behaviour(witnesses: Sequence[Witness], min_requests: int) -> Behaviour:
    groups = list(_groups(witnesses))
    targets = [witness.trial.target for witness in witnesses]
    found = {
        "error_rate": _worst(groups, judgement.error_rate),
        "latency_ratio": _worst(groups, judgement.latency_ratio),
        "confidence_shift": _worst(groups, judgement.confidence_shift),
    }
    values = {name: figure.value for name, (figure, _) in found.items() if figure is not None}
    return Behaviour(
        requests=sum(target.requests for target in targets),
        counted=judgement.counted(targets, min_requests),
        error_rate=values.get("error_rate"),
        latency_ratio=values.get("latency_ratio"),
        confidence_shift=values.get("confidence_shift"),
        where={name: where for name, (_, where) in found.items() if where},
    )


def _groups(witnesses: Sequence[Witness]) -> Iterator[Group]:
    yield "", [witness.trial for witness in witnesses]
    by_profile = defaultdict[str, list[Trial]](list)
    for witness in witnesses:
        by_profile[witness.profile].append(witness.trial)
    for profile, trials in sorted(by_profile.items()):
        if len(trials) >= SPEAK_FOR_A_PROFILE and len(by_profile) > 1:
            yield profile, trials


def _worst(groups: Sequence[Group], judge: Callable[[Sequence[Trial]], Figure | None]) -> tuple[Figure | None, str]:
    """The highest figure, and whose it is."""
    figures = [(figure, profile) for profile, trials in groups if (figure := judge(trials)) is not None]
    if not figures:
        return None, ""
    figure, profile = max(figures, key=lambda found: found[0].value)
    named = [f"model {figure.model}" if figure.model else "", f"profile {profile}" if profile else ""]
    return figure, ", ".join(filter(None, named))
