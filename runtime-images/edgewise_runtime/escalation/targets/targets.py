"""Those to ask, and how to reach each: which protocol, with what papers, within what time. One per server process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TypeVar

from edgewise.contract.plan import PlanTarget
from edgewise_runtime import mounts
from edgewise_runtime.escalation.targets.interface import Interface
from edgewise_runtime.escalation.targets.papers import Desk, Papers
from edgewise_runtime.escalation.targets.question import NoHelpError, Question, Reply
from edgewise_runtime.escalation.targets.transport import Transport

log = logging.getLogger(__name__)

T = TypeVar("T")
Put = Callable[[Transport, Papers, float], Awaitable[T]]
"""A question, once it is known how to put it; the last: seconds that are left."""


class Targets:
    """Keeps connections, and what Secrets say, between questions. Used from the event loop only."""

    def __init__(self, secrets: Path) -> None:
        """`secrets`: <secrets>/<name of a Secret>/<key>, as mounted."""
        self.on_change: Callable[[], None] | None = None
        """Called when `problems` has changed."""
        self._secrets = secrets
        self._open: dict[PlanTarget, _Target] = {}
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def problems(self) -> dict[str, str]:
        """{target: what a person should change about its Secrets}: those that are not asked meanwhile."""
        return {target.name: one.desk.problem for target, one in self._open.items() if one.desk.problem}

    def use(self, targets: Iterable[PlanTarget]) -> None:
        """Those of a new plan, which alone can be asked; connections to others are closed as their questions end."""
        wanted = set(targets)
        for target in self._open.keys() - wanted:
            closing = asyncio.ensure_future(self._open.pop(target).close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        for target in wanted - self._open.keys():
            self._open[target] = _Target(target, self._secrets, self._changed)

    async def ask(self, target: PlanTarget, question: Question, timeout: float) -> Reply:
        """Within `timeout` seconds, and the target's own; else NoHelpError says what stood against it."""

        async def put(transport: Transport, papers: Papers, left: float) -> Reply:
            return await transport.ask(question, papers, left)

        return await self._within(longest(target, timeout), target, put, question.size)

    async def interface(self, target: PlanTarget, model: str, timeout: float) -> Interface:
        """What `target` says of `model`; fails as `ask` does."""

        async def put(transport: Transport, papers: Papers, left: float) -> Interface:
            return await transport.interface(model, papers, left)

        return await self._within(timeout, target, put, 0)

    async def close(self) -> None:
        self.use(())
        await asyncio.gather(*self._closing)

    async def _within(self, timeout: float, target: PlanTarget, put: Put[T], size: int) -> T:
        """`size`: bytes that count as spent where nobody knows how far they came."""
        one = self._open.get(target)
        if one is None:
            raise NoHelpError("unconfigured", "the plan in force does not name it")
        asking = asyncio.ensure_future(one.reach(put, timeout))
        try:
            await asyncio.wait({asking}, timeout=timeout)  # not wait_for, see agent/bell.py
        finally:
            late = asking.cancel()
        try:
            if late:
                await asyncio.wait({asking})
                raise asyncio.TimeoutError
            return asking.result()
        except asyncio.TimeoutError:
            raise NoHelpError("timeout", f"no answer within {timeout * 1000:.0f} ms", size) from None
        except OSError as error:
            raise NoHelpError("unreachable", str(error) or type(error).__name__) from None

    def _changed(self) -> None:
        if self.on_change is not None:
            self.on_change()


def longest(target: PlanTarget, left: float) -> float:
    """Seconds that `target` is waited for at most, when `left` are left for all."""
    return left if target.timeout_seconds is None else min(left, target.timeout_seconds)


class _Target:
    """One of them; its Secrets are looked at from the beginning, its transport is made by the first question."""

    def __init__(self, target: PlanTarget, secrets: Path, changed: Callable[[], None]) -> None:
        self.desk = Desk(target, secrets)
        self._target = target
        self._changed = changed
        self._transport: Transport | None = None
        self._read = asyncio.Event()
        self._asking = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._watching = asyncio.ensure_future(self._watch())

    async def reach(self, put: Put[T], timeout: float) -> T:
        """What comes of it; connections stay open until then."""
        self._asking += 1
        self._quiet.clear()
        try:
            transport, papers = await self._ready()
            return await put(transport, papers, timeout)
        finally:
            self._asking -= 1
            if not self._asking:
                self._quiet.set()

    async def close(self) -> None:
        """Once nobody asks any more, which is a matter of a question's timeout."""
        await self._quiet.wait()
        self._watching.cancel()
        await asyncio.wait({self._watching})
        if self._transport is not None:
            await self._transport.close()

    async def _ready(self) -> tuple[Transport, Papers]:
        await self._read.wait()
        papers = self.desk.papers
        if papers is None:
            raise NoHelpError("unconfigured", self.desk.problem)
        if self._transport is None:
            make = await asyncio.to_thread(_imported, self._target.url)
            self._transport = self._transport or make(self._target)
        return self._transport, papers

    async def _watch(self) -> None:
        while True:
            if self.desk.outdated:
                said = self.desk.problem
                await asyncio.to_thread(self.desk.renew)
                self._read.set()
                if self.desk.problem != said:
                    self._say(self.desk.problem)
                    self._changed()
            await asyncio.sleep(mounts.LOOK_SECONDS)

    def _say(self, problem: str) -> None:
        if problem:
            log.warning("a target is not asked", extra={"target": self._target.name, "detail": problem})
        else:
            log.info("a target is asked again", extra={"target": self._target.name})


def _imported(url: str) -> Callable[[PlanTarget], Transport]:
    """Blocking: a slow device imports aiohttp, or h2, for a second."""
    if url.startswith("grpc"):
        from edgewise_runtime.escalation.targets.grpc import GrpcTarget

        return GrpcTarget
    from edgewise_runtime.escalation.targets.http import HttpTarget

    return HttpTarget
