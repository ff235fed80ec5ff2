"""What reports cost a device on a metered link: real documents over real TLS, counted on the socket."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from edgewise.contract.plan import Plan, PlanReporting
from edgewise_runtime.agent.progress import Running
from tests.cloud.road import Road, road
from tests.runtime.agent.documents import plan, release, source, then
from tests.runtime.agent.edges import Edge, goal
from tests.runtime.agent.operators import Operator, operator
from tests.runtime.agent.waiting import until

DAY, A_DAY = 86_400.0, 2_000_000
"""Seconds, and the bytes that a settled device may take in so many."""
TCP = 24 * 60
"""Bytes of the headers of a connection's packets: two dozen of them, mostly acknowledgements."""
TOKEN = "x" * 1100  # a projected service-account token, signed by a 2048-bit key
SETTLED = plan(7, release("digits-5d41402abc", {"digits": source("https://files.example/1", b"1")}))
ROLLING = then(SETTLED, plan(8, release("digits-7d793037a0", {"digits": source("https://files.example/2", b"2")})))


def busy(edge: Edge, document: Plan) -> None:
    """It has served a week: two million requests, as slow and as sure as real ones are."""
    chance = random.Random(7)
    edge.progress.begin(goal(document))
    edge.progress.ready({"digits": Running("CPUExecutionProvider")})
    for served in document.releases:
        edge.models.replace({}, served.name)
        tally = edge.models.tallies.of(served.name)
        for _ in range(5000):
            seconds, confidence = 0.01 * chance.lognormvariate(0, 0.3), chance.betavariate(8, 1)
            tally.enter(seconds)
            tally.answers("digits").enter(seconds, confidence)
        tally.requests = 2_000_000
        for counts in (tally.answers("digits").seconds, tally.answers("digits").confidence):
            counts[:] = [count * 400 for count in counts]


async def told(edge: Edge, boss: Operator, document: Plan) -> Road:
    """One report of `document`, and the road it took."""
    async with road(int(boss.url.split(":")[2].split("/")[0])) as way:
        url = f"https://127.0.0.1:{way.port}/report"
        reporting = PlanReporting(url=url, ca=boss.ca, interval_seconds=3600, during_rollout_seconds=3600)
        await edge.follow(document.model_copy(update={"reporting": reporting}))
        busy(edge, document)
        edge.token.write_text(TOKEN)
        async with edge.on():
            await until(lambda: way.ended, "a report went its way")
    assert (len(boss.reports), way.connections) == (1, 1)
    return way


async def test_a_settled_device_costs_its_link_less_than_2_mb_a_day(tmp_path: Path) -> None:
    async with operator(tmp_path) as boss:
        edge = Edge(tmp_path)
        way = await told(edge, boss, SETTLED.model_copy(update={"stable": SETTLED.target}))
    a_report = way.sent + way.received + TCP
    assert a_report * DAY / PlanReporting().interval_seconds <= A_DAY


@pytest.mark.parametrize(
    ("document", "most"),
    [(SETTLED.model_copy(update={"stable": SETTLED.target}), 800), (ROLLING, 1700)],
    ids=["settled", "in a rollout"],
)
def test_a_report_is_short(document: Plan, most: int, tmp_path: Path) -> None:
    edge = Edge(tmp_path)
    busy(edge, document)
    report = edge.reporting.build(document).model_dump_json(by_alias=True, exclude_none=True)
    assert len(report) <= most
