"""Scenes of a rollout with defaults, so that a case says only what it is about."""

from __future__ import annotations

from typing import Any

from edgewise.api.rollout import Wave
from edgewise.core.progress import State
from edgewise.core.rollout.limits import Limits
from edgewise.core.rollout.scene import Behaviour, Scene, Standing
from edgewise.core.rollout.waves import Member, whole
from tests.unit.core.builders import NOW

LIMITS = Limits(soak=600, deadline=86400)
ONE_TENTH_ALL = whole([Wave(nodes=1), Wave(percent=10)])


def member(name: str, state: State = "updated", profile: str = "cpu", **more: Any) -> Member:
    return Member(name, profile, state=state, **more)


def members(**counts: int) -> list[Member]:
    """So many in each state."""
    return [member(f"{state}-{i}", state) for state, count in counts.items() for i in range(count)]  # type: ignore[arg-type]


def scene(within: list[Member], outside: list[Member] | None = None, **more: Any) -> Scene:
    """In its second wave of three, released a while ago, its devices arrived and soaked; keywords replace."""
    standing: dict[str, Any] = {"wave": 2, "began": NOW - 5000, "since": NOW - 2000, "soak_ends": NOW - 1000}
    limits = more.pop("limits", {})
    standing |= {key: more.pop(key) for key in ("wave", "began", "since", "soak_ends", "replaced") if key in more}
    figures = {key: more.pop(key) for key in list(Behaviour.__dataclass_fields__) if key in more}
    others = [member(f"other-{i}", "working") for i in range(3)] if outside is None else outside
    return Scene(
        release="2.0.0-b",
        waves=more.pop("waves", ONE_TENTH_ALL),
        limits=Limits(**{"soak": 600, "deadline": 86400, **limits}),
        members=(*within, *others),
        standing=Standing(released=frozenset(one.name for one in within), **standing),
        now=NOW,
        behaviour=Behaviour(**figures),
        **more,
    )
