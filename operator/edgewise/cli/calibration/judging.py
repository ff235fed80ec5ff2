"""One calibration from beginning to end: one half of the examples chooses, the other judges, as before and as after."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgewise.cli.calibration.likelihood import COLDEST, HOTTEST, fitted_temperature, nll
from edgewise.cli.calibration.ranking import RiskCoverage, area_won, risk_coverage
from edgewise.cli.calibration.reliability import CalibrationError, Reliability, calibration_error, reliability
from edgewise.cli.calibration.resampling import interval
from edgewise.cli.calibration.samples import SampleError, Samples
from edgewise.cli.calibration.thresholds import Wish, threshold
from edgewise.contract.scores import Floats, class_confidence


@dataclass(frozen=True)
class Setting:
    """What a device decides by: the method of EdgeModel.spec.confidence, its temperature, and `confidenceBelow`."""

    method: str
    temperature: float
    below: float


@dataclass(frozen=True)
class Accuracy:
    """A share of right answers, with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Judgement:
    """How a Setting does on examples that had no say in it."""

    setting: Setting
    nll: float
    error: CalibrationError
    coverage: RiskCoverage
    reliability: Reliability
    offload: float
    """Share of requests it asks for."""
    kept: Accuracy
    """Of the answers that the device keeps."""
    together: Accuracy | None
    """Of all answers, where the bigger model's are known."""
    area_won: float | None


@dataclass(frozen=True)
class Calibration:
    """The setting found, and how it and the one before do on the held-out half."""

    before: Judgement
    after: Judgement
    edge: float
    """Accuracy of the device alone, on the held-out half."""
    cloud: float | None
    examples: tuple[int, int]
    """How many chose, how many judged."""


def calibrate(samples: Samples, wish: Wish, method: str, temperature: float, seed: int = 0) -> Calibration:
    """`temperature`: as it is now. Both settings grant the wish, each by its own threshold. SampleError if none can."""
    fit, held = samples.halves(seed)
    better = _temperature(fit)
    before, after = (
        judge(Setting(method, divisor, _below(fit, wish, method, divisor)), held, seed)
        for divisor in (temperature, better)
    )
    cloud = None if held.cloud_right is None else float(held.cloud_right.mean())
    return Calibration(before, after, float(held.right.mean()), cloud, (len(fit.labels), len(held.labels)))


def judge(setting: Setting, held: Samples, seed: int = 0) -> Judgement:
    """Measures of `setting` on `held`; `seed` of the draws for floor and intervals."""
    rng = np.random.default_rng(seed)
    right, cloud_right = held.right, held.cloud_right
    sure = confidence(held, setting.method, setting.temperature)
    probability = confidence(held, "SoftmaxMax", setting.temperature)
    asked = sure < setting.below
    together = None if cloud_right is None else np.where(asked, cloud_right, right)
    return Judgement(
        setting=setting,
        nll=nll(held.logits, held.labels, setting.temperature),
        error=calibration_error(probability, right, rng),
        coverage=risk_coverage(sure, right),
        reliability=reliability(probability, right),
        offload=float(asked.mean()),
        kept=_accuracy(right[~asked].astype(np.float64), rng),
        together=None if together is None else _accuracy(together.astype(np.float64), rng),
        area_won=None if cloud_right is None else area_won(sure, right, cloud_right),
    )


def confidence(samples: Samples, method: str, temperature: float) -> Floats:
    """[N]: as a device with this method and temperature has it."""
    return class_confidence(method, samples.logits / temperature)


def _temperature(fit: Samples) -> float:
    """To two decimals. SampleError where these examples do not tell it."""
    found = fitted_temperature(fit.logits, fit.labels)
    if not COLDEST * 1.01 < found < HOTTEST / 1.01:
        right = int(fit.right.sum())
        raise SampleError(
            f"{right} of the {len(fit.labels)} examples that choose are answered right, which tells no temperature: "
            "take examples as the devices see them, easy and hard, and check that labels and classes agree"
        )
    return round(found, 2)


def _below(fit: Samples, wish: Wish, method: str, temperature: float) -> float:
    return threshold(wish, confidence(fit, method, temperature), fit.right, fit.cloud_right)


def _accuracy(right: Floats, rng: np.random.Generator) -> Accuracy:
    """NaN three times of no answers at all."""
    if not len(right):
        return Accuracy(float("nan"), float("nan"), float("nan"))
    low, high = interval(lambda rows: float(right[rows].mean()), len(right), rng)
    return Accuracy(float(right.mean()), low, high)
