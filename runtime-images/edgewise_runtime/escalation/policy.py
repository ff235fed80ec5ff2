"""Whom to ask, whether to, and how long to wait. Called by the data plane; if all fails, the local answer stands."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

from edgewise.contract.plan import PlanEscalation, PlanTarget
from edgewise_runtime.errors import OverloadedError, ServingError
from edgewise_runtime.escalation.breaker import Breaker, State
from edgewise_runtime.escalation.budget import Spending
from edgewise_runtime.escalation.client import Client, NoHelpError, Question, Reply
from edgewise_runtime.escalation.hops import MAX_HOPS
from edgewise_runtime.escalation.review import Expected, review
from edgewise_runtime.metrics import Metrics
from edgewise_runtime.protocol.messages import InferRequest, InferResponse
from edgewise_runtime.protocol.requests import encode_request

log = logging.getLogger(__name__)

MAX_IN_FLIGHT = 64  # an overloaded device must not collect questions as well


@dataclass(frozen=True)
class Help:
    """An answer from a target, judged good."""

    target: str
    response: InferResponse
    confidence: float | None


@dataclass
class Escalator:
    """One plan's escalation at work. `renewed` carries breakers and spending over to the next plan."""

    plan: PlanEscalation
    client: Client
    metrics: Metrics
    breakers: dict[str, Breaker] = field(default_factory=dict)
    spending: Spending = field(init=False)
    in_flight: int = 0

    def __post_init__(self) -> None:
        self.spending = Spending(self.plan.budget)
        self.breakers = {target.url: self.breakers.get(target.url, Breaker()) for target in self.plan.targets}
        for target in self.plan.targets:
            if not _speaks_http(target):
                log.warning(
                    "target %s (%s) cannot be asked: this version speaks http and https only", target.name, target.url
                )

    def renewed(self, plan: PlanEscalation) -> Escalator:
        """For a changed plan: what was learnt of a target, and what was spent, still counts."""
        successor = Escalator(plan, self.client, self.metrics, self.breakers)
        self.spending.budget = plan.budget
        successor.spending = self.spending
        return successor

    def below(self, confidence: float) -> bool:
        threshold = self.plan.when.confidence_below
        return threshold is not None and confidence < float(threshold)

    def replaces(self, error: ServingError) -> bool:
        """Whether a target may be asked because the device could not answer at all."""
        when = self.plan.when
        return when.overloaded if isinstance(error, OverloadedError) else when.unavailable

    async def ask(self, request: InferRequest, expected: Expected, hops: int) -> Help | None:
        """The first good answer within the plan's timeout, all targets together; None: there is no help."""
        deadline = time.monotonic() + self.plan.timeout_seconds
        if hops >= MAX_HOPS or self.in_flight >= MAX_IN_FLIGHT:
            self._count("", "hops" if hops >= MAX_HOPS else "busy")
            return None
        question = _question(request, expected, hops)
        self.in_flight += 1
        try:
            for target in self.plan.targets:
                answer = await self._try(target, question, expected, deadline)
                if answer is not None:
                    return answer
            return None
        finally:
            self.in_flight -= 1

    async def _try(self, target: PlanTarget, question: Question, expected: Expected, deadline: float) -> Help | None:
        now = time.monotonic()
        refusal = self._refusal(target, len(question.body), now, deadline)
        if refusal:
            self._count(target.name, refusal)
            return None
        breaker = self.breakers[target.url]
        if not breaker.admits(now):
            self._count(target.name, "open")
            return None
        try:
            reply = await self._send(target, question, deadline - now)
            confidence = review(reply.response, expected)
        except NoHelpError as error:
            self._no_help(target, error, had=deadline - now)
            return None
        except Exception:
            log.exception("asking target %s failed", target.name)
            breaker.failed(time.monotonic())
            self._count(target.name, "error")
            return None
        except BaseException:
            breaker.abandoned()
            raise
        breaker.succeeded()
        self._count(target.name, "answered")
        return Help(target.name, reply.response, confidence)

    def _refusal(self, target: PlanTarget, size: int, now: float, deadline: float) -> str:
        """Why not to ask `target` at all; empty where nothing stands against it."""
        if not _speaks_http(target):
            return "unsupported"
        if now >= deadline:
            return "late"
        return "" if self.spending.allows(size, now, time.time()) else "budget"

    async def _send(self, target: PlanTarget, question: Question, timeout: float) -> Reply:
        self.spending.asked(time.monotonic())
        self.spending.moved(len(question.body), time.time())
        reply = await self.client.ask(target, question, timeout)
        self.spending.moved(reply.size, time.time())
        return reply

    def _no_help(self, target: PlanTarget, error: NoHelpError, had: float) -> None:
        """`had`: seconds it was given; too late with what another target left over says nothing about it."""
        breaker = self.breakers[target.url]
        if error.result == "worse":
            breaker.succeeded()
        elif error.result == "timeout" and had < self.plan.timeout_seconds / 2:
            breaker.abandoned()
        else:
            breaker.failed(time.monotonic())
        self._count(target.name, error.result)
        level = logging.WARNING if breaker.state == State.OPEN else logging.DEBUG
        log.log(level, "target %s did not help (%s): %s", target.name, error.result, error)

    def _count(self, target: str, result: str) -> None:
        self.metrics.escalations.labels(target, result).inc()


def _speaks_http(target: PlanTarget) -> bool:
    return target.url.startswith(("http://", "https://"))


def _question(request: InferRequest, expected: Expected, hops: int) -> Question:
    outputs = expected.outputs
    question = InferRequest(model=request.model, inputs=request.inputs, id=request.id, outputs=outputs)
    body, json_size = encode_request(question)
    return Question(request.model, body, json_size, hops)
