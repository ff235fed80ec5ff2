"""What a look at the rollout came to: part of the view, so that plan, verdict and status speak of the same step."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgewise.api.rollout import RolloutStatus
from edgewise.contract.plan import Switch
from edgewise.core.release import Release
from edgewise.core.rollout.scene import Word


@dataclass(frozen=True)
class Stage:
    """Where the target stands on its way to the fleet."""

    switch: Switch = field(default_factory=Switch)
    promoted: bool = False
    """The target is, or from now on becomes, the stable release."""
    proved: bool = True
    """Likewise of the pods' templates: they become those to go back to."""
    kept: tuple[Release, ...] = ()
    """Earlier targets that some devices serve until it is their turn."""
    word: Word | None = None
    """What the waves wait for, or what speaks against the release; None: nothing, or there are no waves."""
    status: RolloutStatus | None = None
    rejected: tuple[str, ...] = ()
    """As it goes on record now."""
    listening: bool = False
    """The operator has just started: a device that has not spoken yet says nothing."""
