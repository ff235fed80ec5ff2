"""What a fitted temperature does for models that start out too sure of themselves. Called by `make bench-hybrid`.

The temperature is fitted on the calibration part; likelihood and calibration error are of the held-out part.
"""

import numpy as np

from edgewise.cli.calibration.judging import confidence
from edgewise.cli.calibration.likelihood import fitted_temperature, nll
from edgewise.cli.calibration.reliability import CalibrationError, calibration_error
from edgewise.cli.calibration.samples import Samples
from tests.bench.figures import Figure, Report
from tests.bench.hybrid.pairs import LANGUAGE, PLAIN_DIGITS, Pair, pairs

MISCALIBRATED = 3.0
"""Times its own noise floor that the debiased error must be before, or there is nothing to put right."""


def figures(report: Report) -> None:
    """The worst of five splits, for both data sets."""
    for name in (PLAIN_DIGITS, LANGUAGE):
        found = pairs(name)
        temperatures = [round(fitted_temperature(pair.fit.logits, pair.fit.labels), 2) for pair in found]
        _likelihood(report, name, found, temperatures)
        _error(report, name, found, temperatures)
        report.settings[f"{name}, calibrated"] = f"temperatures {', '.join(f'{each:g}' for each in temperatures)}"


def _likelihood(report: Report, name: str, found: list[Pair], temperatures: list[float]) -> None:
    before = [nll(pair.held.logits, pair.held.labels) for pair in found]
    after = [
        nll(pair.held.logits, pair.held.labels, temperature)
        for pair, temperature in zip(found, temperatures, strict=True)
    ]
    ratios = [new / old for new, old in zip(after, before, strict=True)]
    raw = {"before": before, "after": after}
    report.add(Figure(f"{name}: held-out NLL after / before, worst split", ratios, "", "less", 0.9, max, raw))


def _error(report: Report, name: str, found: list[Pair], temperatures: list[float]) -> None:
    before = [_calibration_error(pair.held, 1.0) for pair in found]
    after = [_calibration_error(pair.held, each) for pair, each in zip(found, temperatures, strict=True)]
    starts = [error.debiased / error.floor for error in before]
    left = [new.debiased / old.debiased for new, old in zip(after, before, strict=True)]
    plain = [new.plain / old.plain for new, old in zip(after, before, strict=True)]
    raw = {
        "plain before": [error.plain for error in before],
        "floor before": [error.floor for error in before],
        "plain after": [error.plain for error in after],
        "floor after": [error.floor for error in after],
    }
    starting = f"{name}: debiased ECE before / its noise floor, least split"
    report.add(Figure(starting, starts, "", "more", MISCALIBRATED, min, raw))
    report.add(Figure(f"{name}: debiased ECE after / before, worst split", left, "", "less", 0.5, max))
    report.add(Figure(f"{name}: plain ECE after / before, median split", plain, "", "less"))


def _calibration_error(held: Samples, temperature: float) -> CalibrationError:
    sure = confidence(held, "SoftmaxMax", temperature)
    return calibration_error(sure, held.right, np.random.default_rng(0))
