"""What was found out on this device, kept in the node's cache: `<cache>/tuning/<key>.json`, a few hundred bytes each.

The key holds whatever could change the result: the model's content, the hardware, the runtime's version, engine and
options. A page that cannot be read is as good as none. Called by tuner.py; all methods block, briefly.
"""

from __future__ import annotations

import contextlib
import logging
import platform
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from edgewise.api.base import Model
from edgewise.api.names import short_hash
from edgewise_runtime import __version__, durable
from edgewise_runtime.engines.cores import usable_cores
from edgewise_runtime.tuning.choice import Choice

log = logging.getLogger(__name__)

_PAGES = 64  # as many models as two releases of every deployment that fits on a device
_CPU_LINES = ("model name", "Hardware", "Model", "CPU part", "CPU implementer")  # of /proc/cpuinfo, by architecture


class Page(Model):
    """One result."""

    provider: str
    """What the engine really got."""
    choice: Choice


class Notebook:
    """One folder, perhaps shared by several pods of the node."""

    def __init__(self, cache: Path) -> None:
        self._folder = cache / "tuning"

    def read(self, subject: str) -> Page | None:
        """`subject`: model, engine, options and wishes, as text."""
        try:
            return Page.model_validate_json(self._path(subject).read_bytes())
        except (OSError, ValidationError):
            return None

    def write(self, subject: str, page: Page) -> None:
        """A full disk is logged: the model is measured again at the next start."""
        try:
            durable.write(self._path(subject), page.model_dump_json(by_alias=True, exclude_none=True).encode())
            self._forget_the_oldest()
        except OSError as error:
            log.error("cannot keep what was measured of a model", extra={"detail": str(error)})

    def _path(self, subject: str) -> Path:
        name = short_hash("\n".join((subject, hardware(), __version__)), 32)
        return self._folder / f"{name}.json"

    def _forget_the_oldest(self) -> None:
        pages = sorted(self._folder.glob("*.json"), key=_written)
        for path in pages[:-_PAGES]:
            path.unlink(missing_ok=True)


def _written(page: Path) -> float:
    """Seconds since 1970; 0 where another pod has just thrown it out."""
    try:
        return page.stat().st_mtime
    except FileNotFoundError:
        return 0.0


@lru_cache(maxsize=1)
def hardware() -> str:
    """Tells one kind of device from another, and a pod with another CPU limit."""
    lines = set[str]()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() in _CPU_LINES:
                lines.add(value.strip())
    return ", ".join((platform.machine(), f"{usable_cores()} cores", *sorted(lines)))
