"""Who no longer lives in the cache folder that the deployments of a node share; what they left there is removed.

Days of absence are counted when somebody looks, and no clock is compared with another: a device that was switched off
for a month, or wakes up in 1970, throws nothing out. Called by agent/housekeeping.py, once a day and at start.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgewise.contract.plan import PLAN_KEY
from edgewise_runtime import durable
from edgewise_runtime.agent.lastgood import SERVING

log = logging.getLogger(__name__)

RECORD = "absent"
DAYS = 30  # a node may well be cordoned, or a deployment off it, for a few weeks
DAY_SECONDS = 0.8 * 86_400.0  # two looks of different days lie further apart, since days are spread


@dataclass(frozen=True)
class _Home:
    """A folder, and the file whose time its owner changes every day: a deployment's plan, a profile's last release."""

    folder: Path
    sign: Path

    @property
    def record(self) -> Path:
        return self.folder / RECORD

    def seen(self) -> int | None:
        """When the owner last gave a sign, by whatever clock it had then (nanoseconds); None: there is none."""
        try:
            return self.sign.stat().st_mtime_ns
        except FileNotFoundError:
            return None


def sign(file: Path) -> None:
    """Say that the owner of this file's folder is still here: it may say the same for years."""
    with contextlib.suppress(OSError):
        os.utime(file)


def clear(cache: Path, mine: Collection[Path]) -> None:
    """Count a day for all who gave no sign since yesterday, and remove the folders of those who gave none for DAYS.

    `mine`: folders of the caller. May be killed at any step: the next look goes on with what is left. Blocks.
    """
    for home in _homes(cache):
        with contextlib.suppress(OSError):  # a full disk, or another pod was quicker
            if home.folder not in mine and _absent(home) >= DAYS:
                _remove(home)
                log.info("removed what one left who has not been here for long", extra={"folder": str(home.folder)})


def _homes(cache: Path) -> Iterator[_Home]:
    """Profiles before the deployment that they are part of. Folders with a record only are those half removed."""
    for depth, name in (("*/*", SERVING), ("*", PLAN_KEY)):
        known = {path.parent for path in cache.glob(f"{depth}/{name}")}
        left = {path.parent for path in cache.glob(f"{depth}/{RECORD}") if _recorded(path) is not None}
        yield from (_Home(folder, folder / name) for folder in sorted(known | left))


def _absent(home: _Home) -> int:
    """Days, today among them; written down once a day."""
    seen, before = home.seen(), _recorded(home.record)
    if before is None or seen not in (before[1], None):
        _write(home, 0, seen)
        return 0
    days, at = before
    if abs(time.time() - home.record.stat().st_mtime) < DAY_SECONDS:
        return days
    _write(home, days + 1, at)
    return days + 1


def _write(home: _Home, days: int, seen: int | None) -> None:
    durable.write(home.record, f"{days} {seen or 0}\n".encode())


def _recorded(path: Path) -> tuple[int, int] | None:
    """Days, and the last sign; None: nothing that one of us wrote."""
    try:
        days, seen = path.read_text().split()
        return int(days), int(seen)
    except (OSError, ValueError):
        return None


def _remove(home: _Home) -> None:
    """The record goes last, lest a folder stays of which nobody knows any more what it is."""
    for path in home.folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path not in (home.sign, home.record):
            path.unlink()
    home.sign.unlink(missing_ok=True)
    home.record.unlink()
    home.folder.rmdir()
