"""Whether to ask, whom, and how long to wait. Called by the data plane; if all fails, the local answer stands."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from edgewise.contract.plan import PlanEscalation, PlanTarget
from edgewise_runtime.engines.base import first_line
from edgewise_runtime.errors import DeadlineError, OverloadedError, ServingError
from edgewise_runtime.escalation.breaker import Breaker, State
from edgewise_runtime.escalation.budget import NO_ANSWER, UNKNOWN, Spending
from edgewise_runtime.escalation.hops import MAX_HOPS
from edgewise_runtime.escalation.review import Expected, review
from edgewise_runtime.escalation.targets import NoHelpError, Question, Reply, Targets, longest
from edgewise_runtime.metrics import Metrics
from edgewise_runtime.protocol.messages import InferRequest, InferResponse
from edgewise_runtime.spool.example import Reason

log = logging.getLogger(__name__)

MAX_IN_FLIGHT = 64  # an overloaded device must not collect questions as well
_SENDING_SECONDS = 0.002  # a client's deadline is for the answer to have come: timers tick in milliseconds
_NOBODY = PlanTarget(name="", url="")  # of decisions that are about no target
_UNTRIED = frozenset({"unconfigured"})  # nothing was learnt


@dataclass(frozen=True)
class Case:
    """A request that needs help."""

    request: InferRequest
    expected: Expected
    hops: int = 0
    """How often others passed it on."""
    deadline: float | None = None
    """Monotonic time when its client stops waiting; None: it does not say."""


@dataclass(frozen=True)
class Help:
    """An answer from a target, judged good."""

    target: str
    response: InferResponse
    confidence: float | None


@dataclass
class Experience:
    """What outlives a plan: what was learnt of targets, what was spent, who is being asked."""

    spending: Spending
    breakers: dict[tuple[str, str], Breaker] = field(default_factory=dict)
    rounds: set[asyncio.Task[Help | None]] = field(default_factory=set)
    """Questions under way, those that nobody waits for any more included."""


class Escalator:
    """One plan's escalation at work. Used from the event loop only."""

    def __init__(self, plan: PlanEscalation, targets: Targets, metrics: Metrics, limit: int = MAX_IN_FLIGHT) -> None:
        """`limit`: requests that may be asked about at the same time."""
        self.plan = plan
        self._targets = targets
        self._metrics = metrics
        self._limit = limit
        below = plan.when.confidence_below
        self._below = None if below is None else float(below)
        self._take(Experience(Spending(plan.budget)))

    def renewed(self, plan: PlanEscalation) -> Escalator:
        """For a changed plan: what was learnt of a target, and what was spent, still counts."""
        successor = Escalator(plan, self._targets, self._metrics, self._limit)
        self._experience.spending.limit(plan.budget)
        successor._take(self._experience)
        return successor

    @property
    def breakers(self) -> dict[str, State]:
        """{target: state}."""
        return {target.name: self._breaker(target).state for target in self.plan.targets}

    @property
    def threshold(self) -> float | None:
        """Answers below it are asked about now: that of the plan, or what the budget allows. None: none are."""
        running = self._spending.threshold(time.monotonic(), time.time())
        return None if self._below is None else min(self._below, running)

    @property
    def budget_left(self) -> dict[str, float]:
        """{limit: questions or bytes}."""
        return dict(self._spending.left(time.monotonic(), time.time()))

    def doubts(self, confidence: float | None) -> bool:
        """Whether a local answer should be asked about. Told of each one, so that the budget knows them all."""
        self._spending.saw(UNKNOWN if confidence is None else confidence, time.monotonic())
        return self._below is not None and confidence is not None and confidence < self._below

    def covers(self, error: ServingError) -> Reason | None:
        """Why a target may be asked in the device's place; None: it may not."""
        when = self.plan.when
        if isinstance(error, (OverloadedError, DeadlineError)):
            return "Overloaded" if when.overloaded else None
        return "Unavailable" if when.unavailable else None

    def can_ask(self, size: int) -> bool:
        """Whether a request of `size` bytes that gets no answer here would be asked about now."""
        return not self._obstacle(NO_ANSWER, size, hops=0)

    def may_ask(self, confidence: float | None, size: int, hops: int) -> bool:
        """Whether there is any use in `ask`, about an answer this sure, or None at all; `size`: bytes of the request.

        Once for each request in need: counts what stands against it. Takes microseconds: a dead cloud is not felt."""
        if confidence is None:
            self._spending.saw(NO_ANSWER, time.monotonic())
        obstacle = self._obstacle(NO_ANSWER if confidence is None else confidence, size, hops)
        if obstacle:
            for target in self.plan.targets if obstacle == "open" else (_NOBODY,):
                self._count(target, obstacle)
        return not obstacle

    async def ask(self, case: Case) -> Help | None:
        """The first good answer within the plan's timeout, all targets together, and the client's; None: there is none.

        In time, whatever the targets do: a question that is late ends by itself."""
        now = time.monotonic()
        deadline = now + self.plan.timeout_seconds
        if case.deadline is not None:
            deadline = min(deadline, case.deadline - _SENDING_SECONDS)
        round_ = self._begin(self._round(case, deadline))
        try:
            await asyncio.wait({round_}, timeout=max(0.0, deadline - now))
        except asyncio.CancelledError:
            round_.cancel()
            raise
        return round_.result() if round_.done() and not round_.cancelled() else None

    async def close(self) -> None:
        """Ends all questions."""
        rounds = self._experience.rounds
        for round_ in rounds:
            round_.cancel()
        await asyncio.gather(*rounds, return_exceptions=True)

    def _obstacle(self, confidence: float, size: int, hops: int) -> str:
        """Why not to ask anybody; empty where nothing stands against it."""
        now = time.monotonic()
        if hops >= MAX_HOPS:
            return "hops"
        if len(self._experience.rounds) >= self._limit:
            return "busy"
        if not any(self._breaker(target).would_admit(now) for target in self.plan.targets):
            return "open"
        return "" if self._spending.allows(confidence, size, now, time.time()) else "budget"

    async def _round(self, case: Case, deadline: float) -> Help | None:
        question = _question(case)
        for target in self.plan.targets:
            if not self._admitted(target, question, deadline):
                continue
            if self._breaker(target).state == State.HALF_OPEN and case.expected.local is not None:
                patience = time.monotonic() + self.plan.timeout_seconds
                self._begin(self._exchange(target, question, case.expected, patience))  # no client waits for a probe
                continue
            help_ = await self._exchange(target, question, case.expected, deadline)
            if help_ is not None:
                return help_
        return None

    def _admitted(self, target: PlanTarget, question: Question, deadline: float) -> bool:
        """Whether to ask `target`. After a True it must be asked: see Breaker.admits."""
        now = time.monotonic()
        if now >= deadline:
            self._count(target, "late")
        elif not self._spending.affords(question.size, now, time.time()):
            self._count(target, "budget")
        elif not self._breaker(target).admits(now):
            self._count(target, "open")
        else:
            return True
        return False

    async def _exchange(
        self, target: PlanTarget, question: Question, expected: Expected, deadline: float
    ) -> Help | None:
        breaker, began = self._breaker(target), time.monotonic()
        patience = deadline - began
        try:
            reply = await self._send(target, question, patience)
            confidence = review(reply.response, question.request.id, expected)
        except NoHelpError as error:
            self._no_help(target, error, patience, expected)
            return None
        except Exception:
            log.exception("asking target %s failed", target.name)
            breaker.failed(time.monotonic())
            self._count(target, "error")
            return None
        except BaseException:
            breaker.abandoned()
            raise
        breaker.succeeded()
        self._count(target, "answered")
        self._metrics.help_duration.labels(target.name).observe(time.monotonic() - began)
        return Help(target.name, reply.response, confidence)

    async def _send(self, target: PlanTarget, question: Question, patience: float) -> Reply:
        self._spending.asked(question.size, time.monotonic(), time.time())
        try:
            reply = await self._targets.ask(target, question, patience)
        except NoHelpError as error:
            if error.result != "timeout":  # of which nobody knows how much it sent
                self._spending.moved(error.spent - question.size, time.time())
            raise
        self._spending.moved(reply.sent - question.size + reply.received, time.time())
        return reply

    def _no_help(self, target: PlanTarget, error: NoHelpError, patience: float, expected: Expected) -> None:
        """`patience`: seconds it was given; too late with what others left over says nothing about it. Nor does its
        refusal of a request that was never compared with a model."""
        breaker, usual = self._breaker(target), longest(target, self.plan.timeout_seconds)
        if error.result == "rejected" and not expected.specs:
            breaker.succeeded()
        elif error.result in _UNTRIED or (error.result == "timeout" and patience < usual / 2):
            breaker.abandoned()
        else:
            breaker.failed(time.monotonic())
        self._count(target, error.result)
        level = logging.WARNING if breaker.state == State.OPEN else logging.DEBUG
        log.log(level, "target %s did not help (%s): %s", target.name, error.result, first_line(error))

    def _begin(self, round_: Coroutine[Any, Any, Help | None]) -> asyncio.Task[Help | None]:
        task = asyncio.ensure_future(round_)
        self._experience.rounds.add(task)
        task.add_done_callback(self._experience.rounds.discard)
        return task

    def _take(self, experience: Experience) -> None:
        """Knows all that was learnt before of its targets. The plan before keeps its own: it may still be asking."""
        known = experience.breakers
        self._breakers = {_server(target): known.get(_server(target), Breaker()) for target in self.plan.targets}
        experience.breakers = self._breakers
        self._experience, self._spending = experience, experience.spending

    def _breaker(self, target: PlanTarget) -> Breaker:
        return self._breakers[_server(target)]

    def _count(self, target: PlanTarget, result: str) -> None:
        self._metrics.escalations.labels(target.name, result).inc()


def _server(target: PlanTarget) -> tuple[str, str]:
    """What a breaker is about, by whatever name a plan calls it: one server, one model there."""
    return target.url, target.model


def _question(case: Case) -> Question:
    """As it leaves: under an id of its own, that an answer to another request may be told, and without parameters."""
    asked = case.request
    request = InferRequest(
        model=asked.model, inputs=asked.inputs, id=secrets.token_hex(8), outputs=case.expected.outputs
    )
    return Question(request, case.hops)
