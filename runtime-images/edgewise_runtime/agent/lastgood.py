"""What this device remembers about switching, so that a restart serves at once, and nothing bad twice.

In `<cache>/<deployment uid>/<profile>/`: serving.json, the release to serve at a start; good.json, those that have
proved themselves, to go back to; refused.json, those that served and shall not again; loading.json, a count of deaths:
a file that takes the whole process down with it must not do so for ever.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from edgewise.api.base import Model
from edgewise.api.names import Reason
from edgewise_runtime import __version__
from edgewise_runtime.agent import kept
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.goals import Goal

log = logging.getLogger(__name__)

SERVING, GOOD, REFUSED, LOADING = "serving.json", "good.json", "refused.json", "loading.json"
DEATHS = 3  # two may be power cuts
REMEMBERED = 32  # releases that do not do here; more than any plan names


class _Loading(Model):
    """Loads that were begun and came to no end. After a death another goal is loaded first, the one that served: that
    must not make the deadly one forgotten."""

    begun: dict[str, int]
    """How often, by goal: its identity, and the version of the runtime, since another one may do better."""


class _Good(Model):
    """Releases that have proved themselves here, the newest first."""

    goals: list[Goal]


class _Refusal(Model):
    """A release that served here, and does not any more."""

    goal: str
    """As in _Loading.begun."""
    reason: str
    message: str


class _Refused(Model):
    """The newest last."""

    refusals: list[_Refusal]


class LastGood:
    """Memory of one deployment on one device. All methods block, briefly. A full disk is logged, and nothing stops for
    it: then the device remembers less after a restart."""

    def __init__(self, folder: Path, profile: str) -> None:
        """`folder`: that of the deployment in the cache."""
        self.folder = folder / profile
        self._serving = self.folder / SERVING
        self._good = self.folder / GOOD
        self._refused = self.folder / REFUSED
        self._loading = self.folder / LOADING

    def read(self) -> Goal | None:
        """The release to serve at a start; None where there is none, or none that can be read."""
        return kept.read(self._serving, Goal.model_validate_json)

    def write(self, goal: Goal) -> None:
        """Serve `goal` at the next start."""
        if self.read() != goal:
            _write(self._serving, goal)

    def good(self) -> list[Goal]:
        """Releases that have proved themselves, the newest first: the one that serves, often, and the one before."""
        found = kept.read(self._good, _Good.model_validate_json)
        return found.goals if found is not None else []

    def prove(self, goal: Goal) -> None:
        """`goal` has served well; the one before it is kept as well, for the day on which it no longer does."""
        known = self.good()
        if known[:1] == [goal]:
            return
        before = [one for one in known if one.release != goal.release]
        _write(self._good, _Good(goals=[goal, *before[:1]]))

    def refused(self, goal: Goal) -> Failure | None:
        """Why `goal` shall not be served again; None: it may be."""
        found = next((one for one in self._refusals() if one.goal == named(goal)), None)
        return Failure(found.reason, found.message) if found is not None else None

    def refuse(self, goal: Goal, failure: Failure) -> None:
        """Do not serve `goal` again: it served, and that cost requests."""
        others = [one for one in self._refusals() if one.goal != named(goal)]
        latest = _Refusal(goal=named(goal), reason=failure.reason, message=failure.message)
        _write(self._refused, _Refused(refusals=[*others, latest][-REMEMBERED:]))

    def dear(self) -> list[Goal]:
        """Those whose files must stay: the release to serve, and the last good one."""
        serving = self.read()
        return [*self.good()[:1], *([serving] if serving is not None else [])]

    def forgive(self, goal: Goal) -> None:
        """`goal` serves after all: what is known against it counts no more, nor when the word to retry it is gone."""
        known = self._refusals()
        others = [one for one in known if one.goal not in (named(goal), named(goal.untried))]
        if others != known:
            _write(self._refused, _Refused(refusals=others))

    def begin_loading(self, goal: Goal) -> int:
        """How often the process has died in this load. Failure (LoadFailed) where that is too often."""
        loads = self._begun()
        begun = loads.pop(named(goal), 0)
        if begun >= DEATHS:
            message = f"the runtime died {begun} times while it loaded release {goal.release}; it is not tried again"
            raise Failure(Reason.LOAD_FAILED, message)
        latest = [*loads.items(), (named(goal), begun + 1)]
        _write(self._loading, _Loading(begun=dict(latest[-REMEMBERED:])))
        return begun

    def end_loading(self, goal: Goal) -> None:
        """The load came to an end, good or bad."""
        loads = self._begun()
        if loads.pop(named(goal), None) is None:
            return
        if loads:
            _write(self._loading, _Loading(begun=loads))
        else:
            with contextlib.suppress(OSError):
                self._loading.unlink(missing_ok=True)

    def _begun(self) -> dict[str, int]:
        found = kept.read(self._loading, _Loading.model_validate_json)
        return found.begun if found is not None else {}

    def _refusals(self) -> list[_Refusal]:
        found = kept.read(self._refused, _Refused.model_validate_json)
        return found.refusals if found is not None else []


def named(goal: Goal) -> str:
    """What `goal` is called in what is remembered of its failures."""
    return f"{goal.identity}@{__version__}"


def pinned(cache: Path) -> frozenset[str]:
    """sha256 of the files that deployments on this node would serve after a restart, or go back to in their first
    minutes with a release."""
    return frozenset[str]().union(*(goal.blobs() for memory in _memories(cache) for goal in memory.dear()))


def spare(cache: Path) -> frozenset[str]:
    """Likewise, of those that they would go back to after that: the last to be thrown out."""
    return frozenset[str]().union(*(goal.blobs() for memory in _memories(cache) for goal in memory.good()[1:]))


def _memories(cache: Path) -> Iterator[LastGood]:
    """Of all deployments of this node."""
    for path in cache.glob(f"*/*/{SERVING}"):
        yield LastGood(path.parent.parent, path.parent.name)


def _write(path: Path, content: Model) -> None:
    kept.write(path, content.model_dump_json(by_alias=True, exclude_none=True).encode())
