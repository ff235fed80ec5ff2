"""How much of what a bigger model would win is won by asking it for the least sure answers only.

Called by `make bench-hybrid`. Temperature and threshold are chosen on the calibration part, everything here is of the
held-out part, and both models are run by the runtime's engine.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewise.cli.calibration.judging import Setting, confidence
from edgewise.cli.calibration.likelihood import fitted_temperature
from edgewise.cli.calibration.ranking import area_won
from edgewise.cli.calibration.samples import Bools, Samples
from edgewise.cli.calibration.thresholds import Wish, threshold
from tests.bench.figures import Figure, Report
from tests.bench.hybrid.pairs import DIGITS, LANGUAGE, Pair, pairs

OFFLOAD = 0.30
"""Largest share of requests that may be asked."""
_WISH = Wish(offload=0.25)
"""Chosen on few examples, a threshold asks for some points more or less of others: this leaves room for them."""
_METHOD = "SoftmaxMax"
_DRAWS = 2000


@dataclass(frozen=True)
class Outcome:
    """[N] of the held-out examples of one split: who is right, and whom the threshold asks for help with."""

    edge: Bools
    cloud: Bools
    asked: Bools

    @property
    def together(self) -> Bools:
        right: Bools = np.where(self.asked, self.cloud, self.edge)
        return right

    def at(self, rows: NDArray[np.int64]) -> "Outcome":
        return Outcome(self.edge[rows], self.cloud[rows], self.asked[rows])


def figures(report: Report) -> None:
    """For both data sets: the gap closed with its bound, the share asked, what each model does by itself, the area."""
    for name in (DIGITS, LANGUAGE):
        found = pairs(name)
        settings = [_setting(pair.fit) for pair in found]
        outcomes = [_outcome(setting, pair) for setting, pair in zip(settings, found, strict=True)]
        _accuracy(report, name, outcomes)
        won = [_area(setting, pair.held) for setting, pair in zip(settings, found, strict=True)]
        report.add(Figure(f"{name}: area between random and oracle router won, worst split", won, "", "more", 0.5, min))
        report.settings[name] = (
            f"{len(found)} splits; of each {len(found[0].fit.labels)} examples chose temperature and threshold, "
            f"{len(found[0].held.labels)} judged; held-out accuracy edge {_mean(o.edge for o in outcomes):.3f}, "
            f"cloud {_mean(o.cloud for o in outcomes):.3f}, together {_mean(o.together for o in outcomes):.3f}"
        )


def _accuracy(report: Report, name: str, outcomes: Sequence[Outcome]) -> None:
    raw = {
        "edge": [float(outcome.edge.mean()) for outcome in outcomes],
        "cloud": [float(outcome.cloud.mean()) for outcome in outcomes],
        "together": [float(outcome.together.mean()) for outcome in outcomes],
    }
    asked = [float(outcome.asked.mean()) for outcome in outcomes]
    alone = 0.95 if name == DIGITS else None
    report.add(Figure(f"{name}: accuracy of the edge model alone, median", raw["edge"], "", "more", alone))
    report.add(Figure(f"{name}: share asked, largest of the splits", asked, "", "less", OFFLOAD, max))
    closed = [gap_closed([outcome]) for outcome in outcomes]
    report.add(Figure(f"{name}: edge-to-cloud accuracy gap closed, median", closed, "", "more", 0.9, raw=raw))
    low = lower_bound(outcomes, np.random.default_rng(0))
    report.add(Figure(f"{name}: edge-to-cloud accuracy gap closed, lower 95 % bound", [low], "", "more", 0.75))


def gap_closed(outcomes: Sequence[Outcome]) -> float:
    """Answers won by asking, over those the bigger model alone would win, in all of `outcomes` together."""
    won = sum(int(outcome.together.sum()) - int(outcome.edge.sum()) for outcome in outcomes)
    return won / sum(int(outcome.cloud.sum()) - int(outcome.edge.sum()) for outcome in outcomes)


def lower_bound(outcomes: Sequence[Outcome], rng: np.random.Generator) -> float:
    """Lower end of the 95 % interval of `gap_closed`, by drawing splits, and of each its examples, with replacement."""
    draws = []
    for _ in range(_DRAWS):
        chosen = [outcomes[index] for index in rng.integers(0, len(outcomes), len(outcomes))]
        draws.append(gap_closed([each.at(rng.integers(0, len(each.edge), len(each.edge))) for each in chosen]))
    return float(np.quantile(draws, 0.025))


def _setting(fit: Samples) -> Setting:
    temperature = round(fitted_temperature(fit.logits, fit.labels), 2)
    return Setting(_METHOD, temperature, threshold(_WISH, confidence(fit, _METHOD, temperature), fit.right))


def _outcome(setting: Setting, pair: Pair) -> Outcome:
    cloud = pair.held.cloud_right
    assert cloud is not None, "every pair has a big model"
    return Outcome(pair.held.right, cloud, confidence(pair.held, setting.method, setting.temperature) < setting.below)


def _area(setting: Setting, held: Samples) -> float:
    assert held.cloud_right is not None, "every pair has a big model"
    return area_won(confidence(held, setting.method, setting.temperature), held.right, held.cloud_right)


def _mean(rights: Iterable[Bools]) -> float:
    return float(np.mean([right.mean() for right in rights]))
