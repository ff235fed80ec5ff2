"""Brings a file onto the node in fewer bytes than it has: compressed, or as a change of an older one. Used by stock.py.

Only a way to save: whatever is wrong with a delta is counted, and the full file is fetched instead. What a device holds
decides which deltas are of use to it; of those the smallest is fetched, by the same means as any model.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgewise.api.edgemodel import Copy, Delta, Source
from edgewise.api.names import Reason
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.threads import to_the_end

if TYPE_CHECKING:
    from edgewise_runtime.agent.stock import Rebuild

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 600.0
"""How long an unreachable delta is waited for, where the full file would come from the same servers."""


@dataclass(frozen=True)
class _Way:
    """A copy that is of use here; base: the verified file it starts from, None of one that is compressed."""

    copy: Copy
    base: Path | None


class Deltas:
    """One per process."""

    def __init__(self, count: Callable[[str], None], patience: float = PATIENCE_SECONDS) -> None:
        """`count` is told what came of each: `applied`, or why it was not (DeltaError.reason, `fetch`, `away`)."""
        self._count = count
        self._patience = patience
        self._away: dict[str, float] = {}
        """Since when, by the monotonic clock, each delta cannot be reached."""
        self._useless: set[str] = set()
        """sha256 of those that were fetched and make nothing: while the full file is waited for they are not again."""

    async def rebuild(self, wanted: Rebuild) -> bool:
        """Whether `wanted.target` is now the verified file. Failure (SourceUnreachable) where it is worth waiting: on a
        link that comes and goes, the full file is not the answer. OSError as from the disk."""
        for way in await self._ways(wanted):
            result = await self._result(way, wanted)
            self._count(result)
            if result == "applied":
                return True
        return False

    async def _ways(self, wanted: Rebuild) -> list[_Way]:
        """Those smaller than what is missing of the full file, the smallest first."""
        build, found = wanted.build, []
        for copy in _by_size(build.source, build.deltas):
            too_large = copy.size is not None and wanted.remaining is not None and copy.size >= wanted.remaining
            if too_large or copy.sha256 in self._useless:
                continue
            base = await wanted.base(copy.from_sha256) if isinstance(copy, Delta) else None
            if base is not None or not isinstance(copy, Delta):
                found.append(_Way(copy, base))
        return found

    async def _result(self, way: _Way, wanted: Rebuild) -> str:
        """`applied`, or in a word why not."""
        from edgewise_runtime.deltas.container import DeltaError  # numpy: only where a model comes so

        try:
            await self._make(way, wanted)
        except DeltaError as error:
            self._useless.add(way.copy.sha256)
            result, detail = error.reason, str(error)
        except FileNotFoundError as error:  # room was made for the delta by throwing its base out
            result, detail = "base", str(error)
        except Failure as failure:
            result, detail = self._of_no_avail(failure, way.copy, wanted.build.source), failure.message
        else:
            return "applied"
        log.warning("a delta is of no use", extra={"uri": way.copy.uri, "reason": result, "detail": detail})
        return result

    async def _make(self, way: _Way, wanted: Rebuild) -> None:
        from edgewise_runtime.deltas.applying import Wanted, apply

        source = wanted.build.source
        fetched = await wanted.fetch(_source(source, way.copy))
        self._away.pop(way.copy.sha256, None)
        base = way.copy.from_sha256 if isinstance(way.copy, Delta) else ""
        most = wanted.most if source.size is None else min(source.size, wanted.most)
        await to_the_end(apply, fetched, way.base, wanted.target, Wanted(source.sha256, most, base))

    def _of_no_avail(self, failure: Failure, copy: Copy, source: Source) -> str:
        """Raises it again while it is better to wait."""
        if failure.reason != Reason.SOURCE_UNREACHABLE:
            return "fetch"
        now = time.monotonic()
        since = self._away.setdefault(copy.sha256, now)
        if now - since < self._patience and _hosts(source) <= _hosts(copy):
            raise failure
        del self._away[copy.sha256]
        return "away"


def _by_size(source: Source, deltas: list[Delta]) -> list[Copy]:
    """Those that do not say their size last."""
    copies: list[Copy] = [*deltas, *([source.compressed] if source.compressed is not None else [])]
    return sorted(copies, key=lambda copy: (copy.size is None, copy.size or 0))


def _source(full: Source, copy: Copy) -> Source:
    """The copy, to be fetched like the full file."""
    own = {"uri": copy.uri, "sha256": copy.sha256, "size": copy.size, "mirrors": copy.mirrors, "compressed": None}
    return full.model_copy(update=own)


def _hosts(copy: Copy | Source) -> set[str]:
    """Server and port of each place."""
    return {uri.partition("://")[2].partition("/")[0] for uri in (copy.uri, *copy.mirrors)}
