"""When a window opens: a cron schedule in a time zone. The API refuses by it what devices could not follow.

cronsim follows Debian's cron through changes of the clock: a time that a spring night leaves out comes as that night
goes on, one that an autumn night has twice comes once. zoneinfo reads the system's time zones, or the tzdata package's.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

_ANY_DAY = datetime(2000, 1, 1, tzinfo=timezone.utc)


def next_opening(schedule: str, time_zone: str, after: datetime) -> datetime | None:
    """The first opening later than `after` (aware), in the zone's own time; None: there is never one.

    ValueError where schedule or zone cannot be read; the message says what to write."""
    return next(openings(schedule, time_zone, after), None)


def openings(schedule: str, time_zone: str, after: datetime) -> Iterator[datetime]:
    """All of them, likewise."""
    zone = _zone(time_zone)
    try:
        found = CronSim(schedule, after.astimezone(zone))
    except CronSimError as error:
        raise ValueError(f"{schedule!r} is no cron schedule ({error}); write one such as '0 2 * * 1-5'") from error
    # In the hour that an autumn night repeats, cronsim takes the second pass for the first.
    return (opening for opening in found if opening.timestamp() > after.timestamp())


def problem(schedule: str, time_zone: str) -> str:
    """What is wrong with them; empty: nothing."""
    try:
        opens = next_opening(schedule, time_zone, _ANY_DAY)
    except ValueError as error:
        return str(error)
    return "" if opens is not None else f"{schedule!r} is on no day of any year"


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no time zone of the IANA database; write one such as Europe/Berlin") from error
