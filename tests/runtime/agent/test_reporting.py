"""Reports to a real TLS server, and what a device does with the answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from edgewise.api.base import SecretRef
from edgewise.contract.plan import Plan, PlanReporting, PlanTarget
from edgewise.contract.report import AccessReport
from edgewise_runtime import __version__, engines
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.progress import Running
from edgewise_runtime.engines.base import EngineOptions
from edgewise_runtime.models import ServedModel
from edgewise_runtime.tuning.choice import Choice
from tests.cluster.pki import Authority
from tests.runtime import tinyonnx
from tests.runtime.agent.documents import NODE, PROFILE, plan, release, source, then
from tests.runtime.agent.edges import Edge, goal
from tests.runtime.agent.operators import Operator, operator
from tests.runtime.agent.waiting import until

RELEASE = release("r1", {"digits": source("https://files/1", b"1")})


@pytest.fixture
async def boss(tmp_path: Path) -> AsyncIterator[Operator]:
    async with operator(tmp_path) as running:
        yield running


@pytest.fixture
def edge(tmp_path: Path) -> Edge:
    return Edge(tmp_path)


def settled(boss: Operator, sequence: int = 1, **reporting: float) -> Plan:
    return plan(sequence, RELEASE, stable="r1", reporting=boss.reporting(**reporting))


async def test_a_device_says_who_it_is_where_it_stands_and_what_it_wants(boss: Operator, edge: Edge) -> None:
    document = settled(boss, sequence=7)
    await edge.follow(document)
    edge.progress.begin(goal(document))
    async with edge.on():
        await until(lambda: boss.reports, "a report arrives")
    report = boss.reports[0]
    assert boss.tokens == ["Bearer first"]
    assert (report.node, report.pod, report.profile, report.boot) == (NODE, "pod-1", PROFILE, "boot-1")
    assert (report.sequence, report.serving, report.release) == (7, None, "r1")
    assert (report.deployment, report.runtime_version) == (document.deployment, __version__)
    assert [(model.name, model.variant, model.state) for model in report.models] == [("digits", "fp32", "Pending")]


async def test_a_change_of_state_is_told_at_once_with_the_token_of_that_moment(boss: Operator, edge: Edge) -> None:
    document = settled(boss)
    await edge.follow(document)
    edge.progress.begin(goal(document))
    async with edge.on():
        await until(lambda: boss.reports, "a report arrives")
        edge.token.write_text("renewed")
        edge.progress.failed(Failure("LoadFailed", "broken", "digits"))
        await until(lambda: boss.reports[-1].models[0].state == "Failed", "the change arrives")
    assert boss.tokens[-1] == "Bearer renewed"
    assert (boss.reports[-1].models[0].reason, boss.reports[-1].models[0].message) == ("LoadFailed", "broken")


async def test_a_model_that_serves_says_how_fast_it_was_measured_to_be(edge: Edge, tmp_path: Path) -> None:
    document = plan(1, RELEASE, stable="r1")
    edge.progress.begin(goal(document))
    found = Choice(latency=0.00123456, fastest=0.00098765, throughput=812.345)
    session = engines.load(tinyonnx.subtract(tmp_path), "ONNX", EngineOptions(threads=1))
    edge.models.replace({"digits": ServedModel("digits", "1.0.0", "fp32", session, choice=found)}, "r1")
    (loading,) = edge.reporting.build(document).models
    assert (loading.latency, loading.fastest, loading.throughput) == (None, None, None)
    edge.progress.ready({"digits": Running("CPUExecutionProvider")})
    (ready,) = edge.reporting.build(document).models
    assert (ready.latency, ready.fastest, ready.throughput) == (0.00123, 0.000988, 812.0)


async def test_counters_of_the_releases_that_are_compared_are_told_and_histograms_in_a_rollout_only(edge: Edge) -> None:
    settled_, tallies = plan(1, RELEASE, stable="r1"), edge.models.tallies
    rolling = then(settled_, plan(2, release("r2", {"digits": source("https://files/2", b"2")})))
    for name in ("r0", "r2", "r1"):
        edge.models.replace({}, name)
        tallies.of(name).enter(0.01, failed=name == "r2")
        tallies.of(name).answers("digits").enter(0.01, 0.9)
    report = edge.reporting.build(settled_)
    assert {name: counters.requests for name, counters in report.counters.items()} == {"r1": 1}
    assert report.counters["r1"].models == {}
    report = edge.reporting.build(rolling)
    assert {name: counters.failures for name, counters in report.counters.items()} == {"r1": 0, "r2": 1}
    assert all(counters.models["digits"].seconds.counts == [1] for counters in report.counters.values())


async def test_the_operators_time_comes_with_its_reply(boss: Operator, edge: Edge) -> None:
    edge.ahead = 3600.0
    assert not edge.clock.doubt()
    await edge.follow(settled(boss))
    async with edge.on():
        await until(edge.clock.doubt, "a clock that is an hour ahead of the operator's is found out")
    edge.ahead = 0.0
    assert not edge.clock.doubt()


async def test_several_changes_make_one_report(boss: Operator, edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgewise_runtime.agent.reporting.DEBOUNCE_SECONDS", 1.0)
    document = settled(boss)
    await edge.follow(document)
    edge.progress.begin(goal(document))
    async with edge.on():
        await until(lambda: boss.reports, "a report arrives")
        edge.progress.downloading("digits")
        await asyncio.sleep(0)
        edge.progress.loading()
        await asyncio.sleep(0)
        edge.progress.ready({"digits": Running("CPUExecutionProvider")})
        await until(lambda: boss.reports[-1].models[0].state == "Ready", "the last change arrives")
        assert [report.models[0].state for report in boss.reports] == ["Pending", "Ready"]


async def test_bytes_alone_are_not_worth_a_report(boss: Operator, edge: Edge) -> None:
    document = settled(boss)
    await edge.follow(document)
    edge.progress.begin(goal(document))
    listener = edge.progress.bell.listen()
    edge.progress.downloaded("digits", 12_345)
    assert not listener.is_set()


async def test_a_poke_brings_a_report(boss: Operator, edge: Edge) -> None:
    await edge.follow(settled(boss))
    async with edge.on():
        await until(lambda: boss.reports, "a report arrives")
        edge.reporting.wake()
        await until(lambda: len(boss.reports) >= 2, "another report arrives")


def said(boss: Operator) -> AccessReport:
    access = boss.reports[-1].access
    assert access is not None
    return access


async def test_a_device_that_can_admit_nobody_says_so_and_says_so_when_it_can(boss: Operator, edge: Edge) -> None:
    await edge.follow(settled(boss))
    edge.access.start()
    async with edge.on():
        await until(lambda: boss.reports, "a report arrives")
        assert said(boss).demands == ["Token"]
        assert said(boss).problem.startswith(f"no tokens in {edge.clients}")
        edge.clients.mkdir()
        (edge.clients / "camera").write_text("0123456789abcdef")
        await until(lambda: said(boss).problem == "", "the change arrives")
    await edge.access.close()


async def test_a_target_whose_secret_is_missing_is_told_at_once_and_so_is_that_it_is_there(
    boss: Operator, edge: Edge
) -> None:
    wanted = PlanTarget(name="cloud", url="https://triton", credentials_secret_ref=SecretRef(name="cloud"))
    await edge.follow(settled(boss))
    async with edge.on():
        await until(lambda: boss.reports, "a report arrives")
        assert boss.reports[-1].targets == {}
        edge.targets.use([wanted])
        await until(lambda: "Secret cloud is missing" in boss.reports[-1].targets.get("cloud", ""), "it is told")
        (edge.root / "secrets/cloud").mkdir(parents=True)
        (edge.root / "secrets/cloud/token").write_text("0123456789abcdef")
        await until(lambda: boss.reports[-1].targets == {}, "the change arrives")
        edge.targets.use([])
    await edge.targets.close()


@pytest.mark.parametrize(
    ("more", "quick"),
    [({"stable": "r1"}, False), ({"stable": None}, True)],
    ids=["a settled device keeps to the interval", "a device in a rollout reports often"],
)
def test_how_often_a_device_reports(edge: Edge, more: dict[str, Any], quick: bool) -> None:
    reporting = PlanReporting(url="https://operator", interval_seconds=300, during_rollout_seconds=10)
    document = plan(1, RELEASE, reporting=reporting, **more)
    pause = edge.reporting._pause(document)
    assert pause is not None
    assert (9 <= pause <= 11) if quick else (270 <= pause <= 330)


def test_a_device_that_still_downloads_reports_often_and_one_that_gave_up_does_not(edge: Edge) -> None:
    reporting = PlanReporting(url="https://operator", interval_seconds=300, during_rollout_seconds=10)
    document = plan(1, RELEASE, stable="r1", reporting=reporting)
    edge.progress.begin(goal(document))
    edge.progress.downloading("digits")
    assert (edge.reporting._pause(document) or 0) <= 11
    edge.progress.failed(Failure("LoadFailed", "broken"))
    assert (edge.reporting._pause(document) or 0) >= 270


async def test_the_interval_brings_reports_without_any_change(boss: Operator, edge: Edge) -> None:
    await edge.follow(settled(boss, interval_seconds=0.05))
    async with edge.on():
        await until(lambda: len(boss.reports) >= 3, "reports keep coming")


async def test_the_plan_of_a_reply_is_followed_and_reported_back(boss: Operator, edge: Edge) -> None:
    boss.plan = settled(boss, sequence=5)
    await edge.follow(settled(boss, sequence=1))
    async with edge.on():
        await until(lambda: boss.reports and boss.reports[-1].sequence == 5, "the newer plan is reported")
    assert edge.plans.current == boss.plan


async def test_an_operator_that_fails_is_tried_again(boss: Operator, edge: Edge) -> None:
    boss.status = 503
    await edge.follow(settled(boss, interval_seconds=0.1))
    async with edge.on():
        await until(lambda: len(boss.reports) >= 2, "the report is sent again")
        boss.status = 200
        boss.plan = settled(boss, sequence=2)
        await until(lambda: edge.plans.current == boss.plan, "the plan arrives")


async def test_a_server_that_the_plans_ca_did_not_sign_gets_no_token(
    boss: Operator, edge: Edge, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    other = Authority(tmp_path / "other")
    other.create()
    impostor = boss.reporting().model_copy(update={"ca": other.ca.read_text()})
    await edge.follow(plan(1, RELEASE, stable="r1", reporting=impostor))
    async with edge.on():
        await until(lambda: "did not take the report" in caplog.text, "the report is given up")
    assert boss.tokens == []


@pytest.mark.parametrize(
    ("reporting", "why"),
    [
        (PlanReporting(url="http://127.0.0.1:1/report", ca="x"), "is not https"),
        (PlanReporting(url="https://127.0.0.1:1/report", ca="x"), "no PEM bundle"),
        (PlanReporting(url="https://127.0.0.1:1/report", ca=""), "no PEM bundle"),
    ],
    ids=["http", "bad ca", "no ca"],
)
async def test_a_token_is_never_sent_to_somebody_unproven(
    edge: Edge, caplog: pytest.LogCaptureFixture, reporting: PlanReporting, why: str
) -> None:
    await edge.follow(plan(1, RELEASE, stable="r1", reporting=reporting))
    async with edge.on():
        await until(lambda: caplog.records and "did not take" in caplog.text, "the report is given up")
    assert why in str(caplog.records[-1].__dict__["detail"])


async def test_a_token_that_is_not_mounted_yet_is_waited_for(boss: Operator, edge: Edge) -> None:
    edge.token.unlink()
    await edge.follow(settled(boss, interval_seconds=0.1))
    async with edge.on():
        await asyncio.sleep(0)
        edge.token.write_text("late")
        await until(lambda: boss.tokens == ["Bearer late"] or "Bearer late" in boss.tokens, "the report arrives")
