"""One look at one object: gather, decide, carry out. The same three verbs for every kind; the decision is an argument.

Called by the workers of the operator with a key; returns when to look again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from edgewise.cluster.client import Client
from edgewise.cluster.projections import Unreadable
from edgewise.cluster.resources import Resource
from edgewise.cluster.store import Store
from edgewise.controller.children import ChildRefusedError, Children
from edgewise.controller.deletions import Deletions
from edgewise.controller.events import Recorder
from edgewise.controller.holds import Holds
from edgewise.controller.keys import Key
from edgewise.controller.pokes import Poker
from edgewise.controller.routing import Seen
from edgewise.controller.status import StatusWriter
from edgewise.controller.subject import Subject, stalled, subject_of
from edgewise.core import invalid
from edgewise.core.outcome import Plan

T = TypeVar("T")
Clock = Callable[[], float]


@dataclass(frozen=True)
class Effects:
    """Everything a plan is carried out with."""

    client: Client
    store: Store
    seen: Seen
    children: Children
    deletions: Deletions
    status: StatusWriter
    recorder: Recorder
    poker: Poker
    holds: Holds

    async def carry_out(self, subject: Subject, plan: Plan) -> float | None:
        """In the plan's order: hold, apply, status, events, prune, delete, poke, let go. Returns seconds to the next
        look, if any."""
        ref = subject.record.ref
        self.holds.ask(ref.uid, plan.hold)  # before anything is awaited: a node's next write bears all of its labels
        for manifest in plan.apply:
            await self.children.apply(ref, manifest)
        wait = None if plan.status is None else await self.status.write(subject, plan.status)
        if wait is None:  # else the same events come with the next look, after the status was written
            for event in plan.events:
                await self.recorder.post(ref, event)
        for doomed in (*plan.prune, *plan.delete):
            await self.deletions.delete(doomed)
        self.poker.poke(plan.pokes)
        if wait is None:
            self.holds.ask(ref.uid, {**plan.hold, **dict.fromkeys(plan.let_go, "")})
        return min((delay for delay in (wait, plan.requeue_after) if delay is not None), default=None)

    def forget(self, uid: str) -> None:
        """The object is gone."""
        self.children.forget(uid)
        self.status.forget(uid)
        self.holds.forget(uid)


class Reconciler(Generic[T]):
    """Of one of our kinds."""

    def __init__(
        self,
        resource: Resource,
        gather: Callable[[Key], T | None],
        decide: Callable[[T, float], Plan],
        effects: Effects,
        clock: Clock = time.time,
    ) -> None:
        self._resource = resource
        self._gather = gather
        self._decide = decide
        self._effects = effects
        self._clock = clock
        self._uids: dict[Key, str] = {}

    async def __call__(self, key: Key) -> float | None:
        """Seconds after which to look again, or None. Whatever is raised means: again, with back-off."""
        record = self._effects.store.shelf(self._resource).get(key.namespace, key.name)
        known = self._uids.get(key)
        if known is not None and (record is None or record.ref.uid != known):
            self._effects.forget(self._uids.pop(key))
        if record is None:
            return None
        self._uids[key] = record.ref.uid
        subject, now = subject_of(record), self._clock()
        try:
            return await self._effects.carry_out(subject, self._plan(key, subject, now))
        except ChildRefusedError as error:
            await self._effects.carry_out(subject, stalled(subject, error.finding, now))
            raise

    def _plan(self, key: Key, subject: Subject, now: float) -> Plan:
        value = subject.record.value
        if isinstance(value, Unreadable):
            plan = invalid.decide(value.metadata, value.status, value.error, now)
            return Plan(status={**subject.status, **(plan.status or {})}, events=plan.events)
        observed = self._gather(key)
        return Plan() if observed is None else self._decide(observed, now)
