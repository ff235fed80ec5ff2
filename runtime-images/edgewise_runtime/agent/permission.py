"""Whether this device may go to a release now, or has to wait: for the plan's window, or for a hold.

Asked by agent/switching.py. Nobody waits who has nothing to serve, whose release stays the same, or who leaves what
shall not be served.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from edgewise.api.names import Reason
from edgewise.api.windows import next_opening
from edgewise.contract.plan import Plan, PlanWindow
from edgewise_runtime.agent.clock import Clock
from edgewise_runtime.agent.holds import Holds

LOOK_AGAIN_SECONDS = 60.0
"""A clock may be set at any time, and a window that cannot be read is not mended without a new plan."""


@dataclass(frozen=True)
class Wait:
    """What a switch waits for."""

    reason: str
    """From names.Reason."""
    message: str
    seconds: float | None
    """Until it is worth asking again; None: a bell will ring."""


class Permission:
    """One per process."""

    def __init__(self, clock: Clock, holds: Holds) -> None:
        self.bell = holds.bell
        """Rings when it is worth asking again."""
        self._clock = clock
        self._holds = holds

    async def look(self) -> None:
        """Whether somebody holds this device: of this moment, not of the last second."""
        await self._holds.look()

    def wait(self, plan: Plan, release: str, serving: str | None) -> Wait | None:
        """What a switch from `serving` to `release` waits for; None: for nothing."""
        if serving is None or serving == release:
            return None
        if (hold := self._holds.current) is not None:
            return Wait(Reason.HELD, f"{release} is here and waits: {hold}", None)
        if plan.window is None or returns(plan, release, serving):
            return None
        if (closed := closed_window(plan.window, self._clock)) is None:
            return None
        why, seconds = closed
        return Wait(Reason.WINDOW_CLOSED, f"{release} is here and waits: {why}", seconds)


def returns(plan: Plan, release: str, serving: str) -> bool:
    """Whether that is the way back: from a release that was rejected, or from one that this node may not serve yet."""
    return serving in plan.rejected or release == plan.stable != plan.target


def closed_window(window: PlanWindow, clock: Clock) -> tuple[str, float] | None:
    """Why the window is closed, and seconds until it is worth looking again; None: it is open."""
    if doubt := clock.doubt():
        return f"no window opens while {doubt}", LOOK_AGAIN_SECONDS
    now = datetime.fromtimestamp(clock.now(), timezone.utc)
    try:
        opens = opening(window, now)
    except ValueError as error:
        return f"rollout.window cannot be followed here: {error}", LOOK_AGAIN_SECONDS
    if opens is None:
        return f"rollout.window never opens: {window.schedule}", LOOK_AGAIN_SECONDS
    if opens.timestamp() <= now.timestamp():
        return None
    left = opens.timestamp() - now.timestamp()
    text = opens.isoformat(timespec="minutes")
    return f"rollout.window opens at {text} ({window.time_zone})", min(left, LOOK_AGAIN_SECONDS)


def opening(window: PlanWindow, now: datetime) -> datetime | None:
    """When the window opens, or, where it is open now, when it did: the first opening that is not over. ValueError."""
    return next_opening(window.schedule, window.time_zone, now - timedelta(seconds=window.duration_seconds))
