"""The operator as a device sees it: a TLS server with a CA of its own that takes reports and answers plans."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from edgewise.contract.plan import Plan, PlanReporting
from edgewise.contract.report import Report, ReportReply
from tests.cluster.pki import Authority


@dataclass
class Operator:
    """Answers `plan` to whoever follows an older one; fails with `status` where that is not 200."""

    url: str
    ca: str
    status: int = 200
    plan: Plan | None = None
    reports: list[Report] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    def reporting(self, **more: float) -> PlanReporting:
        """What a plan says about this operator; intervals no test waits for."""
        intervals = {"interval_seconds": 3600.0, "during_rollout_seconds": 3600.0}
        return PlanReporting(url=self.url, ca=self.ca, **(intervals | more))

    async def answer(self, request: web.Request) -> web.Response:
        report = Report.model_validate_json(await request.read())
        self.reports.append(report)
        self.tokens.append(request.headers.get("Authorization", ""))
        if self.status != 200:
            return web.Response(status=self.status)
        newer = self.plan if self.plan is not None and self.plan.sequence > report.sequence else None
        return web.Response(text=ReportReply(plan=newer).model_dump_json(by_alias=True, exclude_none=True))


@contextlib.asynccontextmanager
async def operator(folder: Path) -> AsyncIterator[Operator]:
    """Listens until the block ends; its CA is made in `folder`."""
    authority = Authority(folder / "operator-pki")
    certificate = authority.issue("server", "operator", hosts=("127.0.0.1",))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate.certificate, certificate.key)
    running = Operator("", authority.ca.read_text())
    application = web.Application()
    application.router.add_post("/report", running.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    running.url = f"https://127.0.0.1:{runner.addresses[0][1]}/report"
    try:
        yield running
    finally:
        await runner.cleanup()
