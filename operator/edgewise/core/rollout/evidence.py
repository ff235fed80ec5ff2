"""What devices have shown of a release: read from their reports, judged in judgement.py, asked for by the gates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgewise.contract.histogram import CONFIDENCE, SECONDS, Histogram
from edgewise.contract.report import Answers, Counters, Report

Counts = tuple[int, ...]


@dataclass(frozen=True)
class Shown:
    """What one model answered on one device. Buckets as in contract/histogram.py; empty: nothing was counted."""

    seconds: Counts = ()
    confidence: Counts = ()


@dataclass(frozen=True)
class Evidence:
    """What one device has shown of one release since it first served it, restarts included."""

    requests: int = 0
    failures: int = 0
    refused: int = 0
    """By the engine, which may be the clients' fault. At most `requests` with the failures."""
    models: Mapping[str, Shown] = field(default_factory=dict)


@dataclass(frozen=True)
class Trial:
    """One device of a wave (in Replicas mode: one pod): the new release beside what the same device did before."""

    device: str
    target: Evidence
    stable: Evidence = Evidence()


def evidence(report: Report | None, release: str | None, retried: bool = False) -> Evidence:
    """What a device says of `release`; nothing where it has not reported, never served it, or is too old to tell.
    `retried`: what counts is what it has done since somebody said that it shall be tried again."""
    counters = report.counters.get(release) if report is not None and release is not None else None
    if counters is None or (retried and not counters.again):
        return Evidence()
    failures = min(counters.failures, counters.requests)
    return Evidence(
        requests=counters.requests,
        failures=failures,
        refused=min(counters.refused, counters.requests - failures),
        models={name: _shown(answers) for name, answers in counters.models.items()},
    )


def never_lowered(before: Report, now: Report) -> Report:
    """`now`, with no count below what the same pod said before: a power cut takes the last minute's counts away, and a
    failure that was seen stays seen. What `now` does not speak of, or what is forgiven, is not brought back."""
    known = before.counters
    counters = {
        name: _higher(known[name], said) if name in known and known[name].again == said.again else said
        for name, said in now.counters.items()
    }
    return now if counters == now.counters else now.model_copy(update={"counters": counters})


def _shown(answers: Answers) -> Shown:
    return Shown(_counts(answers.seconds, len(SECONDS) + 1), _counts(answers.confidence, len(CONFIDENCE) + 1))


def _counts(histogram: Histogram, size: int) -> Counts:
    counts = histogram.dense(size)
    return counts if any(counts) else ()


def _higher(before: Counters, now: Counters) -> Counters:
    models = {
        name: _higher_answers(before.models[name], said) if name in before.models else said
        for name, said in now.models.items()
    }
    return Counters(
        again=now.again,
        requests=max(before.requests, now.requests),
        failures=max(before.failures, now.failures),
        refused=max(before.refused, now.refused),
        escalated=max(before.escalated, now.escalated),
        seconds=max(before.seconds, now.seconds),
        models=models,
    )


def _higher_answers(before: Answers, now: Answers) -> Answers:
    return Answers(
        seconds=_higher_histogram(before.seconds, now.seconds),
        confidence=_higher_histogram(before.confidence, now.confidence),
    )


def _higher_histogram(before: Histogram, now: Histogram) -> Histogram:
    size = max(len(histogram.counts) + histogram.first for histogram in (before, now))
    return Histogram.of(list(map(max, before.dense(size), now.dense(size))))
