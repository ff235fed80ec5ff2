"""What this device remembers about switching: the release it last served well, and loads that ended with the process.

`<cache>/<deployment uid>/<profile>/serving.json` lets a restarted device serve at once, without anybody's help.
`loading.json` beside it counts deaths: a file that takes the whole process down with it must not do so for ever.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from pathlib import Path

from pydantic import ValidationError

from edgewise.api.base import Model
from edgewise.api.names import Reason
from edgewise_runtime import __version__, durable
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.goals import Goal

log = logging.getLogger(__name__)

SERVING, LOADING = "serving.json", "loading.json"
DEATHS = 3  # two may be power cuts
GONE_SECONDS = 30 * 86_400.0  # a deployment whose pods did not look at its file for so long holds no files any more


class _Loading(Model):
    """A load that was begun."""

    goal: str
    begun: int


class LastGood:
    """Memory of one deployment on one device. All methods block, briefly."""

    def __init__(self, folder: Path, profile: str) -> None:
        """`folder`: that of the deployment in the cache."""
        self._serving = folder / profile / SERVING
        self._loading = folder / profile / LOADING

    def read(self) -> Goal | None:
        """The release to serve at a start; None where there is none, or none that can be read."""
        try:
            return Goal.model_validate_json(self._serving.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            log.error("cannot read which release was served last", extra={"detail": str(error)})
            return None

    def write(self, goal: Goal) -> None:
        """A full disk is logged: the release is served all the same, and the one before it after a restart."""
        try:
            durable.write(self._serving, goal.model_dump_json(by_alias=True, exclude_none=True).encode())
        except OSError as error:
            log.error("cannot keep the served release for the next start", extra={"detail": str(error)})

    def touch(self) -> None:
        """Say that this deployment is still here."""
        with contextlib.suppress(OSError):
            os.utime(self._serving)

    def begin_loading(self, goal: Goal) -> int:
        """How often the process has died in this load. Failure (LoadFailed) where that is too often."""
        identity = f"{goal.identity}@{__version__}"  # another runtime may do better
        before = self._read_loading()
        begun = before.begun if before is not None and before.goal == identity else 0
        if begun >= DEATHS:
            message = f"the runtime died {begun} times while it loaded release {goal.release}; it is not tried again"
            raise Failure(Reason.LOAD_FAILED, message)
        content = _Loading(goal=identity, begun=begun + 1).model_dump_json(by_alias=True)
        try:
            durable.write(self._loading, content.encode())
        except OSError as error:
            log.error("cannot note that a load begins; loading all the same", extra={"detail": str(error)})
        return begun

    def end_loading(self) -> None:
        """The load came to an end, good or bad."""
        with contextlib.suppress(OSError):
            self._loading.unlink(missing_ok=True)

    def _read_loading(self) -> _Loading | None:
        try:
            return _Loading.model_validate_json(self._loading.read_bytes())
        except (OSError, ValidationError):
            return None


def pinned(cache: Path) -> frozenset[str]:
    """sha256 of the files that deployments on this node would serve after a restart."""
    oldest = time.time() - GONE_SECONDS
    blobs: set[str] = set()
    for path in cache.glob(f"*/*/{SERVING}"):
        with contextlib.suppress(OSError, ValidationError):
            if path.stat().st_mtime >= oldest:
                blobs |= Goal.model_validate_json(path.read_bytes()).blobs()
    return frozenset(blobs)
