"""What the evidence of many devices says together: error rate, latency, shift of the confidence. Pure; called by gates.

One device can neither veto nor sway a fleet. It may lie, be broken, or serve as much as all others together, so it
weighs at most twice what the average device weighs; of 20 devices or more the worst twentieth has no say (weighing.py);
latency and confidence are compared with what the same device did before. The numbers' reasons are in
docs/adr/20261121.evidence.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median

from edgewise.contract.histogram import SECONDS
from edgewise.core.rollout.evidence import Counts, Evidence, Trial
from edgewise.core.rollout.shift import Pair, groups_of, mixed
from edgewise.core.rollout.weighing import weighed, without_worst

ENOUGH_OF_ONE = 0.25
"""Share of the requests a wave needs that may come from one device, of four or more."""
QUANTILE = 0.95
ANSWERS = 100
"""A side that a device's latency is compared by: five answers are slower than the 95th percentile."""
SAMPLES = 200
"""A side that a shift is computed from."""


@dataclass(frozen=True)
class Figure:
    """What was found, and of how many devices. `model`: the one it is worst for; empty: of the release as a whole."""

    value: float
    devices: int
    model: str = ""


def enough(found: Iterable[Evidence], needed: int) -> bool:
    """Whether the devices of a wave have answered `needed` requests, no device counting for more than its share."""
    return counted(found, needed) >= needed


def counted(found: Iterable[Evidence], needed: int) -> int:
    """Requests towards `needed`: of four devices or more, each counts for a quarter of it at most."""
    all_ = list(found)
    most = ceil(needed * max(ENOUGH_OF_ONE, 1 / max(1, len(all_))))
    return sum(min(evidence.requests, most) for evidence in all_)


def error_rate(trials: Iterable[Trial]) -> Figure | None:
    """Share of requests that the release failed on; None while there were none. What its engine refused counts as far
    as that is more than the stable release's refused of the same clients, on the same devices."""
    asked = without_worst([trial for trial in trials if trial.target.requests], _error_rate)
    if not asked:
        return None
    weights = weighed([trial.target.requests for trial in asked])
    failed, refused = (
        sum(weight * rate(trial) for weight, trial in zip(weights, asked, strict=True))
        for rate in (_failed, _refused_more)
    )
    return Figure(min(1.0, (failed + max(0.0, refused)) / sum(weights)), len(asked))


def latency_ratio(trials: Sequence[Trial]) -> Figure | None:
    """How many times as long the slow answers (95th percentile) of the release take as those of the stable one on the
    same device: the median of the devices, for the model it is worst for. None where no device has `ANSWERS` a side."""
    return _worst(trials, _latency_ratio)


def confidence_shift(trials: Sequence[Trial]) -> Figure | None:
    """Population stability index of the confidence, target against stable, over ten deciles of the stable release:
    below 0.1 is usually called the same, above 0.25 another population. For the model it is worst for; None below
    `SAMPLES` a side. Devices enter both sides with the same weight: who is asked more today shifts nothing."""
    return _worst(trials, _confidence_shift)


def quantile(counts: Counts, share: float) -> float:
    """Seconds that `share` of the answers stay within; between a bucket's bounds evenly in the logarithm."""
    wanted, before = share * sum(counts), 0
    for bucket, count in enumerate(counts):
        if count and before + count >= wanted:
            return _within(bucket, (wanted - before) / count)
        before += count
    raise ValueError("a quantile of nothing")


def _error_rate(trial: Trial) -> float:
    return _failed(trial) + max(0.0, _refused_more(trial))


def _failed(trial: Trial) -> float:
    return trial.target.failures / trial.target.requests


def _refused_more(trial: Trial) -> float:
    """Negative where it refused less. 0 where there is nothing to compare with: then the clients are to blame."""
    target, stable = trial.target, trial.stable
    return target.refused / target.requests - stable.refused / stable.requests if stable.requests else 0.0


def _worst(trials: Sequence[Trial], judge: Callable[[Sequence[Trial], str], Figure | None]) -> Figure | None:
    names = sorted({name for trial in trials for name in trial.target.models.keys() & trial.stable.models.keys()})
    figures = [figure for name in names if (figure := judge(trials, name)) is not None]
    return max(figures, key=lambda figure: figure.value, default=None)


def _both(trials: Sequence[Trial], model: str, member: str, least: int) -> list[tuple[Counts, Counts]]:
    """(stable, target) of the devices that have at least `least` of each."""
    pairs = []
    for trial in trials:
        if model in trial.stable.models and model in trial.target.models:
            stable, target = (getattr(side.models[model], member) for side in (trial.stable, trial.target))
            if min(sum(stable), sum(target)) >= least:
                pairs.append((stable, target))
    return pairs


def _latency_ratio(trials: Sequence[Trial], model: str) -> Figure | None:
    pairs = _both(trials, model, "seconds", ANSWERS)
    ratios = [quantile(target, QUANTILE) / quantile(stable, QUANTILE) for stable, target in pairs]
    return Figure(median(ratios), len(ratios), model) if ratios else None


def _confidence_shift(trials: Sequence[Trial], model: str) -> Figure | None:
    counts = _both(trials, model, "confidence", 1)
    if not counts:
        return None
    groups = groups_of(_as_one(counts).stable)
    counts = without_worst(counts, lambda pair: Pair.of(*pair).index(groups))
    if sum(_weights(counts)) < SAMPLES:
        return None
    return Figure(_as_one(counts).index(groups), len(counts), model)


def _as_one(counts: Sequence[tuple[Counts, Counts]]) -> Pair:
    return mixed([Pair.of(*pair) for pair in counts], _weights(counts))


def _weights(counts: Sequence[tuple[Counts, Counts]]) -> list[float]:
    """Of devices: what both sides have."""
    return weighed([min(sum(stable), sum(target)) for stable, target in counts])


def _within(bucket: int, share: float) -> float:
    """Seconds. The first bucket and the last are open: their one bound is the answer."""
    if bucket == 0 or bucket >= len(SECONDS):
        return SECONDS[min(bucket, len(SECONDS) - 1)]
    below, above = SECONDS[bucket - 1], SECONDS[bucket]
    return float(below * (above / below) ** share)
