"""Tells the operator how this device is doing, and takes the newer plan from its reply.

Sent on every change, when poked, and every interval; a failure is logged, tried again later, and touches nothing else.
Started by agent/__init__.py.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from edgewise.contract.plan import Plan
from edgewise.contract.report import Counters, ModelReport, Report, ReportReply
from edgewise_runtime import __version__
from edgewise_runtime.access import Access
from edgewise_runtime.agent.backoff import backoff, spread
from edgewise_runtime.agent.bell import heard
from edgewise_runtime.agent.bodies import read_whole
from edgewise_runtime.agent.clock import Clock
from edgewise_runtime.agent.plans import Plans
from edgewise_runtime.agent.progress import Progress
from edgewise_runtime.escalation.targets import Targets
from edgewise_runtime.models import Models

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10.0
DEBOUNCE_SECONDS = 0.2  # several changes within it make one report
FIRST_BACKOFF_SECONDS = 2.0
REPLY_BYTES = 4 * 2**20  # a plan fits into a ConfigMap, so into 1 MiB


@dataclass(frozen=True)
class Reporter:
    """Who reports."""

    node: str
    pod: str
    profile: str
    token_file: Path
    boot: str = field(default_factory=lambda: uuid.uuid4().hex)
    """New at each start of the process."""


@dataclass(frozen=True)
class Subject:
    """What a report tells of."""

    progress: Progress
    models: Models
    access: Access
    targets: Targets
    clock: Clock | None = None
    """Told the operator's time; None: nobody here goes by a clock."""


class ReportError(Exception):
    """A report that did not get through; says why."""


class Reporting:
    """One per process. `wake` is the server's poke hook."""

    def __init__(self, reporter: Reporter, plans: Plans, subject: Subject) -> None:
        self._reporter = reporter
        self._plans = plans
        self._subject = subject
        self._progress = subject.progress
        subject.access.on_change = subject.targets.on_change = self.wake
        self._due = subject.progress.bell.listen(plans.bell.listen())
        self._failures = 0

    def wake(self) -> None:
        """Report now."""
        self._due.set()

    async def run(self) -> None:
        """For ever."""
        while True:
            self._due.clear()  # before looking: what changes from here on is worth another report
            plan = self._plans.current
            if plan is not None and plan.reporting.url:
                await self._report(plan)
            if await heard(self._due, self._pause(self._plans.current)):
                await asyncio.sleep(DEBOUNCE_SECONDS)

    async def _report(self, plan: Plan) -> None:
        try:
            reply = await self._post(plan, self.build(plan))
        except ReportError as error:
            log.warning("the operator did not take the report; serving goes on", extra={"detail": str(error)})
            self._failures += 1
            return
        self._failures = 0
        if reply.plan is not None:
            await self._plans.offer(reply.plan)

    def build(self, plan: Plan) -> Report:
        """The state of this moment."""
        return Report(
            deployment=plan.deployment,
            pod=self._reporter.pod,
            node=self._reporter.node,
            profile=self._reporter.profile,
            boot=self._reporter.boot,
            sequence=plan.sequence,
            serving=self._subject.models.release,
            release=self._progress.release or plan.wanted(self._reporter.node),
            models=[self._measured(model) for model in self._progress.models],
            access=self._subject.access.report(),
            targets=self._subject.targets.problems,
            counters=self._counters(plan),
            runtime_version=__version__,
        )

    def _counters(self, plan: Plan) -> dict[str, Counters]:
        """Of the releases that somebody compares: with their histograms, the bulk of a report, only while one does."""
        models = self._subject.models
        releases = {plan.target, plan.stable or "", models.release or ""}
        return models.tallies.counters(releases, histograms=plan.target != plan.stable)

    def _measured(self, model: ModelReport) -> ModelReport:
        """With what was found out when it was loaded, once it serves."""
        served = self._subject.models.current().get(model.name)
        if model.state != "Ready" or served is None or served.choice.latency is None:
            return model
        choice = served.choice
        figures = {"latency": choice.latency, "fastest": choice.fastest, "throughput": choice.throughput}
        return model.model_copy(update={name: _short(figure) for name, figure in figures.items()})

    def _pause(self, plan: Plan | None) -> float | None:
        """Seconds until the next report if nothing happens; None: only when something does."""
        if plan is None or not plan.reporting.url:
            return None
        interval = self._interval(plan)
        if self._failures:
            return backoff(self._failures - 1, min(FIRST_BACKOFF_SECONDS, interval), interval)
        return spread(interval)

    def _interval(self, plan: Plan) -> float:
        """A device that cannot get further until the plan changes costs no more than one that is settled."""
        rolling_out = plan.target != plan.stable or self._progress.moving
        return plan.reporting.during_rollout_seconds if rolling_out else plan.reporting.interval_seconds

    async def _post(self, plan: Plan, report: Report) -> ReportReply:
        """One short connection: a thousand open ones would cost the operator 290 MiB."""
        token = await asyncio.to_thread(self._token)
        connector = aiohttp.TCPConnector(ssl=_tls(plan), force_close=True)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        body = report.model_dump_json(by_alias=True, exclude_none=True)
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
                session.post(plan.reporting.url, data=body, headers=headers, allow_redirects=False) as response,
            ):
                reply = await _reply(response)
                if self._subject.clock is not None:
                    self._subject.clock.heard(response.headers.get("Date", ""))
                return reply
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            raise ReportError(str(error) or type(error).__name__) from error

    def _token(self) -> str:
        """Read for each report: the kubelet renews it."""
        try:
            return self._reporter.token_file.read_text().strip()
        except OSError as error:
            raise ReportError(f"the token cannot be read: {error}") from error


def _short(figure: float | None) -> float | None:
    """Three digits: more would be noise, and bytes over a metered link."""
    return float(f"{figure:.3g}") if figure is not None else None


def _tls(plan: Plan) -> ssl.SSLContext:
    """The operator's own CA and no other: a token goes over this connection."""
    if not plan.reporting.url.startswith("https://"):
        raise ReportError(f"{plan.reporting.url} is not https: the token would travel in the clear")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # create_default_context trusts the system where `ca` is empty
    try:
        context.load_verify_locations(cadata=plan.reporting.ca)
        return context
    except (ssl.SSLError, ValueError) as error:
        raise ReportError(f"reporting.ca of the plan is no PEM bundle: {error}") from error


async def _reply(response: aiohttp.ClientResponse) -> ReportReply:
    if response.status != 200:
        raise ReportError(f"{response.url.host} answers {response.status}")
    body = await read_whole(response, REPLY_BYTES)
    try:
        return ReportReply.model_validate_json(body or b"")
    except ValueError as error:
        raise ReportError(f"{response.url.host} answers something that is no reply to a report") from error
