"""What of a new report is news, and what of an old one is kept."""

from __future__ import annotations

import pytest

from edgewise.contract.histogram import Histogram
from edgewise.contract.plan import DeploymentRef
from edgewise.contract.report import Answers, Counters, Report
from edgewise.controller.reportbook import ReportBook

ANSWERS = {"digits": Answers(seconds=Histogram(first=80, counts=[5]))}
REF = DeploymentRef(namespace="edge", name="digits", uid="1")


def report(pod: str = "p", boot: str = "b1", **counters: Counters) -> Report:
    return Report(
        deployment=REF, pod=pod, node="n", profile="cpu", boot=boot, sequence=1, release="r2", counters=counters
    )


@pytest.mark.parametrize(
    ("before", "now", "news"),
    [
        (report(), report(), False),
        (report(r1=Counters(requests=5)), report(r1=Counters(requests=9)), False),
        (report(r1=Counters(failures=5)), report(r1=Counters(failures=9)), False),
        (report(r2=Counters(models=ANSWERS)), report(r2=Counters(requests=9, models=ANSWERS)), False),
        (report(r2=Counters(models=ANSWERS)), report(r2=Counters(failures=1, models=ANSWERS)), True),
        (
            report(r2=Counters(failures=3, models=ANSWERS)),
            report(boot="b2", r2=Counters(failures=2, models=ANSWERS)),
            False,
        ),
    ],
    ids=[
        "the same",
        "more requests",
        "failures of a settled device wait for nobody",
        "more requests in a rollout",
        "a failure in a rollout: a gate may be waiting for it",
        "fewer failures after a power cut are no others than those that were known",
    ],
)
def test_what_is_news(before: Report, now: Report, news: bool) -> None:
    book = ReportBook()
    assert book.enter(before, 1.0) is True
    assert book.enter(now, 2.0) is news


def test_a_count_that_was_seen_is_not_lowered_by_the_next_reports_of_the_pod() -> None:
    book = ReportBook()
    for boot, requests in (("b1", 100), ("b2", 60), ("b2", 90)):
        book.enter(report(boot=boot, r2=Counters(requests=requests)), 1.0)
    book.enter(report("another", r2=Counters(requests=3)), 1.0)
    kept = {pod: received.report.counters["r2"].requests for pod, received in book.of("edge", "digits").items()}
    assert kept == {"p": 100, "another": 3}


@pytest.mark.parametrize(("devices", "seconds"), [(0, 0), (1, 0), (2, 0.001), (101, 0.1), (700, 0.5)])
def test_news_waits_the_longer_for_that_of_others_the_more_devices_there_are(devices: int, seconds: float) -> None:
    book = ReportBook()
    for number in range(devices):
        book.enter(report(pod=f"p{number}"), 1.0)
    assert book.patience(REF.namespace, REF.name) == pytest.approx(seconds)
