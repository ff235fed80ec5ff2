"""One request on its way through the data plane, as far as help is concerned: does it need some, may it have it."""

from __future__ import annotations

from dataclasses import dataclass

from edgewise_runtime.errors import ServingError
from edgewise_runtime.escalation.policy import Case, Escalator, Help
from edgewise_runtime.escalation.review import Expected
from edgewise_runtime.protocol.messages import InferRequest
from edgewise_runtime.spool.example import Reason


@dataclass(slots=True)
class Errand:
    """Made for each request."""

    request: InferRequest
    hops: int
    escalator: Escalator | None
    """None: it is private, or there is nobody to ask."""
    started: float
    need: Reason | None = None
    """Why the device's own answer is not good enough, or why it has none; None: it is, as far as anybody can tell."""

    def doubts(self, confidence: float | None) -> bool:
        """Whether to ask a target about an answer that is this sure."""
        escalator = self.escalator
        if escalator is None or not escalator.doubts(confidence):
            return False
        self.need = "LowConfidence"
        return escalator.may_ask(confidence, self.request.nbytes, self.hops)

    def covered(self, error: ServingError) -> bool:
        """Whether a target could stand in for the device."""
        self.need = None if self.escalator is None else self.escalator.covers(error)
        return self.need is not None

    async def ask(self, expected: Expected) -> Help | None:
        """None: no target helped, or none was asked."""
        escalator, timeout = self.escalator, self.request.timeout
        if escalator is None:
            return None
        if expected.local is None and not escalator.may_ask(None, self.request.nbytes, self.hops):
            return None
        deadline = None if timeout is None else self.started + timeout
        return await escalator.ask(Case(self.request, expected, self.hops, deadline))
