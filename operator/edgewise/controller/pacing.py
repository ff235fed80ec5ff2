"""How often devices are asked, and pods annotated for it: so that a fleet that returns at once, or a device that hangs,
costs the operator and the API server no more than a steady trickle. No clock of its own; called by pokes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K")
IN_VAIN = 60.0
"""Seconds a pod has been asked in vain before it is annotated once more."""
ANSWERED = 15.0
"""Seconds without a further poke after which the last one counts as heeded; looks poke every five while it is not."""


class Turns:
    """Gives out turns at an even pace, in the order in which they are asked for."""

    def __init__(self, a_second: float) -> None:
        self._apart = 1.0 / a_second
        self._free = float("-inf")

    def next(self, now: float) -> float:
        """Seconds from now until the turn of whoever asks now."""
        mine = max(now, self._free)
        self._free = mine + self._apart
        return mine - now


@dataclass(frozen=True)
class _Asked:
    annotated: float
    last: float


class Insistence(Generic[K]):
    """Lets a pod be annotated at the first poke that does not reach it, then once in a while for as long as none does.

    Kubelets refresh a mount within two minutes by themselves; the annotation only makes that sooner.
    """

    def __init__(self) -> None:
        self._asked: dict[K, _Asked] = {}  # the one that was asked last comes last

    def may(self, pod: K, now: float) -> bool:
        """Call it for each poke that did not reach its pod."""
        self._forget(now)
        known = self._asked.pop(pod, None)
        again = known is None or now - known.annotated >= IN_VAIN
        self._asked[pod] = _Asked(now if known is None or again else known.annotated, now)
        return again

    def _forget(self, now: float) -> None:
        for pod, asked in list(self._asked.items()):
            if now - asked.last <= ANSWERED:
                break
            del self._asked[pod]
