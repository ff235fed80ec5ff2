"""Draws a calibration as a PNG. matplotlib takes a second to import, so only who wants the picture pays for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgewise.cli.asking import AskingError
from edgewise.cli.calibration.judging import Calibration, Judgement

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BEFORE, _AFTER, _IDEAL = "#d9822b", "#1a7f5a", "#999999"


def draw(found: Calibration, title: str, path: Path) -> None:
    """Risk-coverage and reliability, before and after, side by side. AskingError where it cannot be drawn."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise AskingError("--plot needs matplotlib; install it with: pip install 'edgewise[cli]'") from error
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    figure.suptitle(title)
    _risk(left, found)
    _reliability(right, found)
    try:
        figure.savefig(path, dpi=110, metadata={"Software": None})
    except (OSError, ValueError) as error:
        raise AskingError(f"cannot write {path}: {error}") from error


def _both(found: Calibration) -> list[tuple[Judgement, str, str]]:
    return [(found.before, _BEFORE, "before"), (found.after, _AFTER, "after")]


def _risk(axes: Axes, found: Calibration) -> None:
    for judged, colour, name in _both(found):
        curve, kept = judged.coverage, 1 - judged.offload
        axes.plot(curve.coverage, curve.risk, color=colour, label=f"{name}, AURC {curve.area:.4f}")
        index = min(len(curve.risk) - 1, max(0, round(kept * len(curve.risk)) - 1))
        axes.plot(kept, curve.risk[index], "o", color=colour)
    axes.set(title="Risk-coverage", xlabel="share of answers the device keeps", ylabel="errors among them")
    axes.set(xlim=(0, 1), ylim=(0, None))
    axes.legend(title="dot: confidenceBelow", frameon=False)


def _reliability(axes: Axes, found: Calibration) -> None:
    axes.plot([0, 1], [0, 1], "--", color=_IDEAL, label="ideal")
    for judged, colour, name in _both(found):
        bins, error = judged.reliability, judged.error
        label = f"{name}, ECE {error.plain:.3f} (chance {error.floor:.3f})"
        axes.plot(bins.confidence, bins.accuracy, "o-", markersize=4, color=colour, label=label)
    lowest = min(
        float(min(judged.reliability.confidence[0], judged.reliability.accuracy.min())) for judged, *_ in _both(found)
    )
    axes.set(title="Reliability", xlabel="confidence", ylabel="accuracy of such answers")
    axes.set(xlim=(max(0, lowest - 0.05), 1.01), ylim=(max(0, lowest - 0.05), 1.01))
    axes.legend(frameon=False)
