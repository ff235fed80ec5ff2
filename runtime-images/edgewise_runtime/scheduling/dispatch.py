"""Runs a request's tensors through a model: on the event loop when that is quick, else in the queue for a worker.

The only way from the data plane to a session. What a session has been measured to do is remembered with it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from edgewise_runtime.engines.base import Array, InputRefusedError, Session
from edgewise_runtime.errors import BadRequestError, ModelFailedError, ServingError, shown
from edgewise_runtime.metrics import Metrics
from edgewise_runtime.models import ServedModel
from edgewise_runtime.scheduling.pace import Pace
from edgewise_runtime.scheduling.workers import Workers


@dataclass
class Dispatch:
    """Used from the event loop only."""

    workers: Workers
    metrics: Metrics
    _paces: WeakKeyDictionary[Any, Pace] = field(default_factory=WeakKeyDictionary)

    def pace_of(self, session: Session) -> Pace:
        """What is known of how quick a session is; forgotten with it."""
        return self._paces.setdefault(session, Pace())

    async def run(
        self, served: ServedModel, feeds: Mapping[str, Array], names: Sequence[str], size: int
    ) -> list[Array]:
        """One array for each of `names`. `size`: bytes of the request. ServingError where there is no answer."""
        pace = self.pace_of(served.session)

        def run() -> list[Array]:
            started = time.perf_counter()
            arrays = served.session.run(feeds, names)
            seconds = time.perf_counter() - started
            pace.learn(size, seconds)
            self.metrics.inference.labels(served.name, served.version).observe(seconds)
            return arrays

        try:
            return run() if pace.quick(size) and self.workers.idle else await self.workers.run(run)
        except InputRefusedError as error:
            raise BadRequestError(f"{served.name}: {error}") from error
        except ServingError:
            raise
        except Exception as error:
            raise ModelFailedError(f"{served.name} failed on this request: {shown(str(error), 300)}") from error
