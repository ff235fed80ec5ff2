"""Which devices a wave holds.

Devices are drawn by a hash of (release, node), so nobody is always first, and every look draws alike. What was released
once is on record in the plan and never taken back: a wave only adds. Offline devices are left out of a wave's count,
and lie in it where the draw passes them: when they return, theirs is released or it is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgewise.api.names import short_hash
from edgewise.api.rollout import Wave
from edgewise.core.progress import State

EVERYBODY = Wave(percent=100)
ANYBODY = Wave(nodes=1)


@dataclass(frozen=True)
class Member:
    """A device that shall serve the release, sooner or later."""

    name: str
    """Of its node."""
    profile: str = ""
    labels: Mapping[str, str] | None = None
    created: str = ""
    """When its node joined the cluster, RFC 3339."""
    state: State = "working"
    """How far it is on its way to the release."""
    silent: bool = False
    """It is reachable and has said nothing for longer than it may."""
    reason: str = ""
    """What keeps it, from names.Reason; empty: nothing that has a name."""
    says: str = ""
    """The same in its own words."""

    @property
    def reachable(self) -> bool:
        return self.state != "offline"


def whole(waves: Sequence[Wave]) -> tuple[Wave, ...]:
    """The waves as written, ending with the first that takes everybody; where none does, with one more."""
    numbers = (number for number, wave in enumerate(waves, 1) if wave.percent == EVERYBODY.percent)
    last = next(numbers, None)
    return (*waves, EVERYBODY) if last is None else tuple(waves[:last])


@dataclass(frozen=True)
class Draw:
    """The order in which devices get a release."""

    release: str
    began: str = ""
    """When the rollout began, RFC 3339: whoever joined after it comes last. Empty: now."""

    def order(self, members: Sequence[Member], released: frozenset[str]) -> list[Member]:
        """Those who have it; then one device of each profile that nobody speaks for yet, so that a small wave tells
        most; then the others; then those who joined after it began."""
        drawn = sorted(members, key=lambda member: short_hash(f"{self.release}/{member.name}", 16))
        spoken_for = {member.profile for member in drawn if member.reachable and member.name in released}
        first: dict[str, str] = {}
        for member in drawn:
            if member.reachable and member.profile not in spoken_for and not self._late(member):
                first.setdefault(member.profile, member.name)

        def turn(member: Member) -> tuple[bool, bool, bool]:
            return member.name not in released, self._late(member), first.get(member.profile) != member.name

        return sorted(drawn, key=turn)

    def _late(self, member: Member) -> bool:
        return bool(self.began) and member.created > self.began


def extent(wave: Wave, ordered: Sequence[Member]) -> frozenset[str]:
    """Names of the devices that have the release when this wave is released. Counts are cumulative and rounded up."""
    if wave.selector is not None:
        wanted = wave.selector.items()
        return frozenset(m.name for m in ordered if all((m.labels or {}).get(key) == value for key, value in wanted))
    reachable = sum(member.reachable for member in ordered)
    count = wave.nodes if wave.nodes is not None else -(-reachable * (wave.percent or 0) // 100)
    if count >= reachable:
        return frozenset(member.name for member in ordered)
    taken, found = set[str](), 0
    for member in ordered:
        if found == count:
            break
        taken.add(member.name)
        found += member.reachable
    return frozenset(taken)


def following(
    waves: Sequence[Wave], ordered: Sequence[Member], after: int, released: frozenset[str]
) -> tuple[int, frozenset[str]] | None:
    """Number (from 1) and devices of the next wave that adds a device one can reach; None: there is no such wave."""
    reachable = {member.name for member in ordered if member.reachable}
    for number in range(after + 1, len(waves) + 1):
        taken = released | extent(waves[number - 1], ordered)
        if (taken - released) & reachable:
            return number, taken
    return None
