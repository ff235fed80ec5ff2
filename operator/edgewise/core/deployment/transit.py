"""What a look at the moves between profiles came to: part of the view, so that labels, workloads, verdict and status
speak of the same step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgewise.api.rollout import MoveStatus


@dataclass(frozen=True)
class Transit:
    """Who is held, who goes, and what workloads say of it."""

    affinities: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    """Profile -> node affinity that its workload gets now. A profile that is not here gets no workload yet."""
    leaving: frozenset[str] = frozenset()
    """Nodes whose turn it is to move."""
    hold: Mapping[str, str] = field(default_factory=dict)
    """Node -> profile to hold it on, where it is not yet."""
    let_go: tuple[str, ...] = ()
    """Nodes to take the hold from: those whose turn it is, and those that need none."""
    moves: tuple[MoveStatus, ...] = ()
    """All that is not done."""
    again: float | None = None
    """Seconds until the next look; None: nothing is on its way that no event would tell of."""

    @property
    def refused(self) -> MoveStatus | None:
        """One that failed; None: none did."""
        return next((move for move in self.moves if move.refused), None)
