"""Asks a Prometheus what rollouts under way want to know, again and again, and keeps the last answers.

In the background: no reconcile waits for it. Filled by `keep`, which the operator runs; read by gather.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping

from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.cluster.resources import EDGE_DEPLOYMENT
from edgewise.cluster.store import Store
from edgewise.controller.prometheus import Prometheus
from edgewise.core.observed import Answer
from edgewise.core.rollout.queries import IN_A_ROW, wanted

PACE = 15.0
"""Seconds between two rounds: as often as Prometheus usually has something new."""
_AT_ONCE = 4  # questions that are open at the same time: a slow one holds up few, and nobody floods Prometheus


class Inquiries:
    """What was asked, and what came of it."""

    def __init__(self, store: Store, prometheus: Prometheus, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._prometheus = prometheus
        self._clock = clock
        self._answers: dict[str, tuple[Answer, ...]] = {}

    def answers(self) -> Mapping[str, tuple[Answer, ...]]:
        """PromQL -> the last answers, the newest last; of what nobody wants to know any more, none."""
        return self._answers

    async def keep(self) -> None:
        """Until cancelled."""
        while True:
            await self.round()
            await asyncio.sleep(PACE)

    async def round(self) -> None:
        """Asks everything once; the same question of two deployments once for both."""
        records = self._store.shelf(EDGE_DEPLOYMENT).all()
        deployments = (record.value for record in records if isinstance(record.value, EdgeDeployment))
        questions = dict.fromkeys(text for deployment in deployments for text in wanted(deployment))
        found = await self._asked(questions) if questions else {}
        self._answers = {text: (*self._answers.get(text, ()), told)[-IN_A_ROW:] for text, told in found.items()}

    async def _asked(self, questions: Iterable[str]) -> dict[str, Answer]:
        turns = asyncio.Semaphore(_AT_ONCE)
        try:
            async with self._prometheus.session() as session, asyncio.TaskGroup() as group:

                async def ask(text: str) -> Answer:
                    async with turns:
                        return await self._prometheus.ask(session, text, self._clock())

                asked = {text: group.create_task(ask(text)) for text in questions}
        except (OSError, ValueError) as error:
            problem = f"the credentials for Prometheus cannot be read: {error}"
            return {text: Answer(self._clock(), problem=problem) for text in questions}
        return {text: task.result() for text, task in asked.items()}
