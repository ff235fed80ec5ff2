"""Whether a window is open, and how long it was shut: time in which devices could not switch, so that nobody is to
blame for waiting.
"""

from __future__ import annotations

from datetime import datetime, timezone

from edgewise.api.rollout import Window
from edgewise.api.units import seconds
from edgewise.api.windows import openings


def open_at(window: Window, moment: float) -> bool:
    """moment: seconds since the epoch."""
    begins = datetime.fromtimestamp(moment - seconds(window.duration), timezone.utc)
    opening = next(openings(window.schedule, window.time_zone, begins), None)
    return opening is not None and opening.timestamp() <= moment


def shut_between(window: Window, since: float, until: float) -> float:
    """Seconds of that time (both since the epoch) in which it was not open. Openings may overlap."""
    lasts, reached, shut = seconds(window.duration), since, 0.0
    for opening in openings(window.schedule, window.time_zone, datetime.fromtimestamp(since - lasts, timezone.utc)):
        opens = opening.timestamp()
        if opens >= until or reached >= until:
            break
        shut += max(0.0, opens - reached)
        reached = max(reached, opens + lasts)
    return shut + max(0.0, until - reached)
