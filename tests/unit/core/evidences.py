"""Devices with histories, made of a few numbers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from edgewise.contract.histogram import CONFIDENCE, SECONDS, Histogram
from edgewise.contract.report import Answers, Counters
from edgewise.core.rollout.evidence import Counts, Evidence, Shown, Trial

NOTHING = Evidence()


def counts(bounds: Sequence[float], values: Iterable[float]) -> Counts:
    """As a device would count them."""
    found = [0] * (len(bounds) + 1)
    for value in values:
        found[bisect_left(bounds, value)] += 1
    return tuple(found)


def asked(requests: int, failures: int = 0, refused: int = 0, stable: Evidence = NOTHING) -> Trial:
    """A device that was asked so much of the new release."""
    return Trial("node", Evidence(requests, failures, refused), stable)


def answered(seconds: Iterable[float] = (), confidence: Iterable[float] = (), model: str = "digits") -> Evidence:
    """Of one model; every answer was good."""
    shown = Shown(counts(SECONDS, seconds), counts(CONFIDENCE, confidence))
    return Evidence(max(sum(shown.seconds), sum(shown.confidence)), models={model: shown})


def same(answers: int, seconds: float | None = None, confidence: float | None = None) -> Evidence:
    """So many answers, all alike."""
    shown = Shown(
        tuple(answers * count for count in counts(SECONDS, [] if seconds is None else [seconds])),
        tuple(answers * count for count in counts(CONFIDENCE, [] if confidence is None else [confidence])),
    )
    return Evidence(answers, models={"digits": shown})


def timed(device: str, target: float, stable: float, answers: int = 500) -> Trial:
    """Whose answers take so many seconds, of both releases."""
    return Trial(device, same(answers, seconds=target), same(answers, seconds=stable))


def sure(device: str, target: Iterable[float], stable: Iterable[float]) -> Trial:
    """Whose answers are so sure, of both releases."""
    return Trial(device, answered(confidence=target), answered(confidence=stable))


def spread(middle: float, answers: int = 1000) -> list[float]:
    """Confidences around `middle`, evenly over two steps of the logit to both sides."""
    odds = middle / (1 - middle)
    scales = (7.389 ** ((2 * i + 1) / answers - 1) for i in range(answers))
    return [odds * scale / (1 + odds * scale) for scale in scales]


def counters(evidence: Evidence) -> Counters:
    """As a device reports it."""
    models = {
        name: Answers(seconds=Histogram.of(list(shown.seconds)), confidence=Histogram.of(list(shown.confidence)))
        for name, shown in evidence.models.items()
    }
    return Counters(requests=evidence.requests, failures=evidence.failures, models=models)
