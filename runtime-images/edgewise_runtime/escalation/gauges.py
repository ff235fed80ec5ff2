"""What a Prometheus sees of escalation: the breakers, the running threshold, what is left of the budget.

Labels are bounded: the plan's targets, and the three limits of a budget.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from edgewise_runtime.escalation.policy import Escalator
from edgewise_runtime.metrics import Metrics
from edgewise_runtime.series import Sample


def watch(metrics: Metrics, current: Callable[[], Escalator | None]) -> None:
    """`current`: that of the newest plan; None: there is no help, and no sample."""

    def breakers() -> Iterator[Sample]:
        escalator = current()
        for target, state in escalator.breakers.items() if escalator else ():
            yield (target,), float(state)

    def threshold() -> Iterator[Sample]:
        escalator = current()
        running = escalator.threshold if escalator else None
        if running is not None:
            yield (), 0.0 if running == -math.inf else running

    def budget() -> Iterator[Sample]:
        escalator = current()
        for limit, amount in escalator.budget_left.items() if escalator else ():
            yield (limit,), amount

    metrics.watch("edgewise_breaker_state", "0 closed, 1 half-open, 2 open: not asked", ("target",), breakers)
    text = "Answers less sure than this are asked about now; 0: none are"
    metrics.watch("edgewise_escalation_threshold", text, (), threshold)
    text = "Questions (ratio, requestsPerMinute) and bytes (bytesPerDay) that may be spent now"
    metrics.watch("edgewise_escalation_budget_left", text, ("limit",), budget)
