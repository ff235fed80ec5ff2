"""What a report says of a release, from devices old and new, honest and not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edgewise.contract.histogram import CONFIDENCE, SECONDS, Histogram
from edgewise.contract.plan import DeploymentRef
from edgewise.contract.report import Answers, Counters, Report
from edgewise.core.rollout.evidence import Evidence, Shown, evidence, never_lowered
from tests.unit.core.evidences import counts

OLD = {
    "deployment": {"namespace": "default", "name": "digits", "uid": "1"},
    "pod": "digits-x",
    "node": "node-1",
    "profile": "cpu",
    "boot": "b1",
    "sequence": 3,
    "serving": "r2",
    "release": "r2",
    "counters": {"r2": {"requests": 40, "failures": 2, "escalated": 1, "seconds": 0.5}},
}
"""As version 0.1 sent it."""


def told(counters: dict[str, Counters], boot: str = "b1") -> Report:
    ref = DeploymentRef(namespace="default", name="digits", uid="1")
    return Report(
        deployment=ref, pod="p", node="n", profile="cpu", boot=boot, sequence=1, release="r2", counters=counters
    )


def digits(seconds: list[int], confidence: list[int] | None = None) -> dict[str, Answers]:
    return {"digits": Answers(seconds=Histogram.of(seconds), confidence=Histogram.of(confidence or []))}


def test_a_report_of_an_older_device_is_read_and_its_requests_count() -> None:
    report = Report.model_validate_json(json.dumps(OLD))
    assert evidence(report, "r2") == Evidence(40, 2)


@pytest.mark.parametrize(
    ("report", "release"),
    [(None, "r1"), (told({}), "r1"), (told({"r1": Counters(requests=1)}), None), (None, None)],
    ids=["no report", "not of this release", "no stable release", "neither"],
)
def test_where_nothing_is_told_there_is_no_evidence(report: Report | None, release: str | None) -> None:
    assert evidence(report, release) == Evidence()


def test_the_buckets_of_a_report_are_those_that_were_counted() -> None:
    seconds, confidence = counts(SECONDS, [0.003, 0.004, 99.0]), counts(CONFIDENCE, [0.0, 0.5, 1.0])
    report = told({"r2": Counters(requests=3, models=digits(list(seconds), list(confidence)))})
    parsed = Report.model_validate_json(report.model_dump_json(by_alias=True, exclude_none=True))
    assert evidence(parsed, "r2") == Evidence(3, models={"digits": Shown(seconds, confidence)})


def test_no_more_requests_failed_than_there_were() -> None:
    assert evidence(told({"r2": Counters(requests=5, failures=50, refused=50)}), "r2") == Evidence(5, 5, 0)
    assert evidence(told({"r2": Counters(requests=5, failures=2, refused=50)}), "r2") == Evidence(5, 2, 3)


@pytest.mark.parametrize(
    "counters",
    [
        {"requests": -1},
        {"requests": 10**400},
        {"failures": 0.5},
        {"seconds": -1.0},
        {"seconds": "NaN"},
        {"models": {"digits": {"seconds": {"first": 10**9, "counts": [1]}}}},
        {"models": {"digits": {"seconds": {"first": -1, "counts": [1]}}}},
        {"models": {"digits": {"seconds": {"counts": [-1]}}}},
        {"models": {"digits": {"seconds": {"counts": [1] * 257}}}},
        {"models": {"digits": {"confidence": {"counts": [10**17]}}}},
    ],
    ids=lambda counters: json.dumps(counters)[:60],
)
def test_counts_that_nobody_can_have_counted_are_refused(counters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Report.model_validate(OLD | {"counters": {"r2": counters}})


def test_buckets_that_this_operator_does_not_know_are_left_out() -> None:
    report = told({"r2": Counters(requests=9, models={"digits": Answers(seconds=Histogram(first=200, counts=[9]))})})
    assert evidence(report, "r2").models["digits"] == Shown()


def test_after_a_power_cut_counts_go_on_and_what_was_seen_stays_seen() -> None:
    before = told({"r2": Counters(requests=100, failures=3, seconds=9.0, models=digits([0, 5, 9]))})
    after = told({"r2": Counters(requests=90, failures=1, seconds=8.0, models=digits([0, 4, 9, 2]))}, boot="b2")
    settled = never_lowered(before, after)
    assert settled.boot == "b2"
    assert settled.counters == {"r2": Counters(requests=100, failures=3, seconds=9.0, models=digits([0, 5, 9, 2]))}
    later = told({"r2": Counters(requests=95, failures=9, seconds=8.5, models=digits([0, 4, 9, 7]))}, boot="b2")
    assert never_lowered(settled, later).counters["r2"].requests == 100
    assert never_lowered(settled, later).counters["r2"].failures == 9


def test_what_a_report_does_not_speak_of_is_not_brought_back() -> None:
    before = told({"r1": Counters(requests=7), "r2": Counters(requests=7, models=digits([1]))})
    assert never_lowered(before, told({"r2": Counters(requests=8)})).counters == {"r2": Counters(requests=8)}


def test_a_release_that_is_tried_again_is_judged_by_what_it_has_done_since() -> None:
    before = told({"r2": Counters(requests=100, failures=90)})
    after = told({"r2": Counters(requests=5, again=True)})
    assert evidence(before, "r2", retried=True) == Evidence()
    assert evidence(never_lowered(before, after), "r2", retried=True) == Evidence(5)
    assert evidence(never_lowered(before, after), "r2") == Evidence(5)


buckets = st.lists(st.integers(0, 1000), max_size=len(SECONDS) + 1)
tallies = st.builds(
    lambda requests, seconds, models: Counters(requests=requests, seconds=seconds, models=models),
    st.integers(0, 10**6),
    st.floats(0, 1e9),
    st.dictionaries(st.sampled_from(["a", "b"]), st.builds(lambda s: Answers(seconds=Histogram.of(s)), buckets)),
)
reports = st.builds(told, st.dictionaries(st.sampled_from(["r1", "r2", "r3"]), tallies), st.sampled_from("xyz"))


@given(st.lists(reports, min_size=2, max_size=6))
def test_whatever_a_device_says_next_no_count_falls(said: list[Report]) -> None:
    settled = said[0]
    for now in said[1:]:
        before, settled = settled, never_lowered(settled, now)
        assert settled.counters.keys() == now.counters.keys()
        for release in settled.counters.keys() & before.counters.keys():
            old, new = evidence(before, release), evidence(settled, release)
            assert new.requests >= max(old.requests, evidence(now, release).requests)
            for name in old.models.keys() & new.models.keys():
                for was, now_is in zip(old.models[name].seconds, new.models[name].seconds, strict=False):
                    assert now_is >= was


@given(buckets)
def test_a_histogram_survives_the_wire(found: list[int]) -> None:
    size = len(SECONDS) + 1
    dense = (*found, *([0] * size))[:size]
    assert Histogram.model_validate_json(Histogram.of(found).model_dump_json()).dense(size) == dense
