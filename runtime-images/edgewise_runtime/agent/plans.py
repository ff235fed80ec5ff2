"""Which plan this device follows: the highest it has seen, from the mounted ConfigMap, a report's reply, or its disk.

Everybody else in the agent asks `current` and listens to `bell`. The disk is read and written in threads: an SD card
may take a second for what requests must not wait for.
"""

from __future__ import annotations

import asyncio
import logging
import re
from pathlib import Path

from pydantic import ValidationError

from edgewise.contract.plan import PLAN_KEY, Plan
from edgewise_runtime import durable
from edgewise_runtime.agent.bell import Bell

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0  # a kubelet swaps the ConfigMap's `..data` link: no inotify event on the file itself is dependable
_UID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")  # it names a folder, and a tenant may edit the ConfigMap


def supersedes(offered: Plan, current: Plan | None, *, mounted: bool) -> bool:
    """Whether to follow `offered` from now on.

    Of one EdgeDeployment the higher sequence wins, wherever it comes from. Another uid means that the EdgeDeployment
    was deleted and made anew: only the mounted plan can say so, a late reply cannot.
    """
    if current is None:
        return True
    if offered.deployment.uid != current.deployment.uid:
        return mounted
    return offered.sequence > current.sequence


def parse(text: bytes) -> Plan:
    """ValueError on anything that is not a plan of this contract."""
    plan = Plan.model_validate_json(text)
    if _UID.fullmatch(plan.deployment.uid) is None:
        raise ValueError(f"deployment.uid {plan.deployment.uid!r} is not a uid")
    return plan


class Plans:
    """The plan in force, kept on disk below `cache/<deployment uid>/` so that a device boots without a network."""

    def __init__(self, cache: Path, mounted: Path) -> None:
        self.bell = Bell()
        self.current: Plan | None = None
        self._cache = cache
        self._mounted = mounted / PLAN_KEY
        self._seen: tuple[int, int, int] | None = None
        self._taking = asyncio.Lock()  # a mounted plan and a reply may come at the same time

    async def start(self) -> None:
        """Read what is there: the mounted plan, and the one on disk where that is newer or the only one."""
        await self.poll()
        if self.current is None and (plan := await asyncio.to_thread(self._only_one_on_disk)) is not None:
            await self._take(plan, mounted=True)

    async def watch(self) -> None:
        """Look at the mounted file for ever."""
        while True:
            await self.poll()
            await asyncio.sleep(POLL_SECONDS)

    async def poll(self) -> None:
        """Take the mounted plan where the file changed since the last look. Bad content leaves the old plan."""
        if (plan := await asyncio.to_thread(self._news)) is not None:
            await self._take(plan, mounted=True)

    async def offer(self, plan: Plan) -> bool:
        """A plan from the reply to a report. True where it is followed from now on."""
        return await self._take(plan, mounted=False)

    def folder(self) -> Path | None:
        """Where this EdgeDeployment keeps what must survive a restart; None while no plan is known."""
        return self._cache / self.current.deployment.uid if self.current else None

    async def _take(self, plan: Plan, *, mounted: bool) -> bool:
        """On disk before it is followed: a restart never goes back behind what was followed."""
        async with self._taking:
            if not supersedes(plan, self.current, mounted=mounted):
                return False
            await asyncio.to_thread(self._keep, plan)
            self.current = plan
        log.info("following a plan", extra={"sequence": plan.sequence, "target": plan.target, "stable": plan.stable})
        self.bell.ring()
        return True

    def _keep(self, plan: Plan) -> None:
        try:
            content = plan.model_dump_json(by_alias=True, exclude_none=True)
            durable.write(self._cache / plan.deployment.uid / PLAN_KEY, content.encode())
        except OSError as error:
            log.error("the plan is followed but could not be kept for the next start", extra={"detail": str(error)})

    def _news(self) -> Plan | None:
        """The mounted plan, where it was not read before; or the one on disk, where that is newer."""
        try:
            state = self._mounted.stat()
            seen = (state.st_ino, state.st_mtime_ns, state.st_size)
            if seen == self._seen:
                return None
            self._seen = seen
            plan = parse(self._mounted.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            log.error("the mounted plan cannot be read; following the last good one", extra={"detail": _first(error)})
            return None
        kept = self._read(self._cache / plan.deployment.uid / PLAN_KEY)
        return kept if kept is not None and supersedes(kept, plan, mounted=False) else plan

    def _only_one_on_disk(self) -> Plan | None:
        """Without a mounted plan the folder decides, unless several EdgeDeployments share it."""
        found = [plan for path in self._cache.glob(f"*/{PLAN_KEY}") if (plan := self._read(path))]
        if len(found) == 1:
            return found[0]
        if found:
            log.error(
                "no mounted plan, and the cache holds those of several EdgeDeployments: mount the plan ConfigMap",
                extra={"deployments": sorted(f"{plan.deployment.namespace}/{plan.deployment.name}" for plan in found)},
            )
        return None

    @staticmethod
    def _read(path: Path) -> Plan | None:
        try:
            return parse(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            log.error("the plan kept on disk cannot be read; doing without it", extra={"detail": _first(error)})
            return None


def _first(error: Exception) -> str:
    """One line of a pydantic error, with the place; the whole text of any other."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        return f"{place}: {first['msg']} ({error.error_count()} in all)"
    return str(error)
