"""Everything one look at a rollout goes by, gathered before any thinking, and what a look may come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from edgewise.api.rollout import Wave, Window
from edgewise.core.observed import Answer
from edgewise.core.rollout.limits import Limits
from edgewise.core.rollout.waves import Member


@dataclass(frozen=True)
class Behaviour:
    """What the devices of the wave have shown of the release; a figure is None where there is too little to say."""

    requests: int = 0
    counted: int = 0
    """Of those, what counts towards minRequests: no device for too much of it."""
    error_rate: float | None = None
    latency_ratio: float | None = None
    confidence_shift: float | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    """Figure -> the model, or the profile, it is of; empty: of the whole wave."""


@dataclass(frozen=True)
class Inquiry:
    """One of spec.rollout.gates.query."""

    name: str
    max: float
    answers: tuple[Answer, ...] = ()
    """Of this wave, the newest last; older ones than the last few are forgotten."""


@dataclass(frozen=True)
class Standing:
    """How far a rollout is: what outlives this process, in plan and status. Times are seconds since the epoch."""

    wave: int = 0
    """Number of the newest wave released, from 1; 0: none."""
    released: frozenset[str] = frozenset()
    """Devices that may serve the release."""
    began: float = 0.0
    since: float = 0.0
    """When its newest wave was released."""
    soak_ends: float | None = None
    """None: its devices have not arrived yet."""
    replaced: int = 0
    """How often the wave took other devices because all of its own had gone away."""


@dataclass(frozen=True)
class Word:
    """What a check has to say. wait: the wave goes on by itself; stuck: a person must act; reject: it is a bad one."""

    stance: Literal["wait", "stuck", "reject"]
    reason: str
    """From names.Reason."""
    message: str
    until: float | None = None
    """When it will be worth another look, where nothing happens before."""


@dataclass(frozen=True)
class Step:
    """What a look comes to."""

    standing: Standing
    word: Word | None = None
    """Why it goes no further now; None: it does."""
    promoted: bool = False


@dataclass(frozen=True)
class Scene:
    """One release, or a change of the pods, on its way over a fleet that has another one."""

    release: str
    """Its name."""
    waves: tuple[Wave, ...]
    """The last takes everybody."""
    limits: Limits
    members: tuple[Member, ...]
    standing: Standing
    now: float
    behaviour: Behaviour = Behaviour()
    self_tested: bool = False
    """A device that serves the release has passed a test of all its models."""
    inquiries: tuple[Inquiry, ...] = ()
    prometheus: bool = False
    """There is one to ask."""
    window: Window | None = None
    """When devices may switch; None: always."""
    paused: bool = False
    promote: str = ""
    """`<release>/<wave>` that need not soak."""
    listening_until: float = 0.0
    """The operator has just started: until then it has not heard everybody."""
    needed_elsewhere: bool = False
    """Devices that the release has nothing for keep the stable one, so it cannot be promoted."""

    @property
    def last(self) -> bool:
        """Everybody has it."""
        return self.standing.wave >= len(self.waves) or all(m.name in self.standing.released for m in self.members)

    @cached_property
    def within(self) -> list[Member]:
        """Reachable devices of the wave, which is cumulative."""
        return [m for m in self.members if m.reachable and m.name in self.standing.released]

    @cached_property
    def outside(self) -> list[Member]:
        return [m for m in self.members if m.reachable and m.name not in self.standing.released]

    def there(self, *states: str) -> list[Member]:
        return [m for m in self.within if m.state in states]
