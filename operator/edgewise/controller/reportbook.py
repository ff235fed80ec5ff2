"""The newest report of every device, and when it came. Filled by the reports server, read by gather."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping

from edgewise.contract.report import Report
from edgewise.core.observed import ReceivedReport
from edgewise.core.rollout.evidence import never_lowered

Deployment = tuple[str, str]
"""(namespace, name)."""


PATIENCE, LONGEST_PATIENCE = 0.001, 0.5
"""Seconds for each other device, and at most."""


class ReportBook:
    """One page per deployment, one line per pod."""

    def __init__(self) -> None:
        self.since = 0.0
        """When it was opened (seconds since the epoch): before, nobody could be heard."""
        self._pages: defaultdict[Deployment, dict[str, ReceivedReport]] = defaultdict(dict)

    def enter(self, report: Report, at: float, node_unready: bool = False) -> bool:
        """Keeps it. Whether it says anything that a status could say: download progress does not, nor do counters, but
        for failures while a rollout is on."""
        page = self._pages[report.deployment.namespace, report.deployment.name]
        before = page.get(report.pod)
        page[report.pod] = ReceivedReport(never_lowered(before.report, report) if before else report, at, node_unready)
        return before is None or _news(before) != _news(page[report.pod])

    def of(self, namespace: str, name: str) -> Mapping[str, ReceivedReport]:
        """Pod name -> its newest report."""
        return dict(self._pages.get((namespace, name), {}))

    def patience(self, namespace: str, name: str) -> float:
        """Seconds for which news of one device may wait for that of others: none where it is alone. A look takes the
        longer the more there are, and while a rollout is on, one of many always has news."""
        others = len(self._pages.get((namespace, name), ())) - 1
        return min(max(others, 0) * PATIENCE, LONGEST_PATIENCE)

    def forget_deployment(self, namespace: str, name: str) -> None:
        self._pages.pop((namespace, name), None)

    def forget_pod(self, namespace: str, deployment: str, pod: str) -> None:
        self._pages.get((namespace, deployment), {}).pop(pod, None)


def _news(received: ReceivedReport) -> Hashable:
    report = received.report
    models = tuple(
        (m.name, m.version, m.variant, m.state, m.reason, m.message, m.provider, m.latency, m.fastest)
        for m in report.models
    )
    failures = tuple((name, c.failures) for name, c in report.counters.items() if c.models)  # a gate may be waiting
    said = (report.deployment.uid, report.profile, report.sequence, report.serving, report.release, models)
    return (*said, failures, received.node_unready)
