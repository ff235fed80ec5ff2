"""Draws a calibration in a terminal: the table, and both curves in braille dots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Group
from rich.table import Table
from rich.text import Text

from edgewise.cli.calibration.judging import Accuracy, Calibration, Judgement
from edgewise.contract.scores import Floats

_COLUMNS, _LINES = 44, 11
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bits of a braille character, by row and column of its 4 x 2 dots."""
BEFORE, AFTER, IDEAL = "yellow", "green", "bright_black"


@dataclass(frozen=True)
class Frame:
    """What the ends of both axes stand for."""

    bottom: str = "0"
    top: str = "1"
    left: str = "0"
    right: str = "1"


@dataclass(frozen=True)
class Curve:
    """Points to join by straight lines, in 0..1 of the frame."""

    x: Floats
    y: Floats
    style: str


def shown(found: Calibration) -> Group:
    """All a person wants to see of it."""
    return Group(_table(found), "", _legend(), _risk(found), _reliability(found))


def _table(found: Calibration) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in (f"on {found.examples[1]} examples that had no say", "before", "after"):
        table.add_column(column, justify="left" if "say" in column else "right")
    both = (found.before, found.after)
    table.add_row("temperature", *[f"{judged.setting.temperature:g}" for judged in both])
    table.add_row("confidenceBelow", *[f"{judged.setting.below:g}" for judged in both])
    table.add_row("negative log likelihood", *[f"{judged.nll:.4f}" for judged in both])
    table.add_row("calibration error (ECE)", *[f"{judged.error.plain:.4f}" for judged in both])
    table.add_row("  of which chance alone", *[f"{judged.error.floor:.4f}" for judged in both])
    table.add_row("  debiased", *[f"{judged.error.debiased:.4f}" for judged in both])
    table.add_row("area under risk-coverage (AURC)", *[f"{judged.coverage.area:.4f}" for judged in both])
    table.add_row("asks for help", *[f"{judged.offload:.1%}" for judged in both])
    table.add_row("accuracy of what the device keeps", *[_accuracy(judged.kept) for judged in both])
    for row in _with_cloud(found, both):
        table.add_row(*row)
    return table


def _with_cloud(found: Calibration, both: Sequence[Judgement]) -> list[tuple[str, ...]]:
    """The device alone; and where the bigger model's answers are known, both together."""
    alone = f"{found.edge:.3f}"
    rows: list[tuple[str, ...]] = [("accuracy of the device alone", alone, alone)]
    if found.cloud is not None:
        rows += [
            ("accuracy of the bigger model alone", f"{found.cloud:.3f}", f"{found.cloud:.3f}"),
            ("accuracy together", *[_accuracy(judged.together) for judged in both]),
            ("between asking at random and an oracle", *[_share(judged.area_won) for judged in both]),
        ]
    return rows


def _accuracy(accuracy: Accuracy | None) -> str:
    if accuracy is None or np.isnan(accuracy.value):
        return "-"
    return f"{accuracy.value:.3f} ({accuracy.low:.3f} to {accuracy.high:.3f})"


def _share(value: float | None) -> str:
    return "-" if value is None or np.isnan(value) else f"{value:.0%}"


def _legend() -> Text:
    return Text.assemble(("before", BEFORE), "  ", ("after", AFTER), "  ", ("ideal", IDEAL), "; 95 % intervals")


def _risk(found: Calibration) -> Text:
    """Errors among the surest answers, by how many of them are kept."""
    worst = max(float(judged.coverage.risk.max()) for judged in (found.before, found.after)) or 1.0
    curves = [
        Curve(judged.coverage.coverage, judged.coverage.risk / worst, style)
        for judged, style in ((found.before, BEFORE), (found.after, AFTER))
    ]
    return plot("risk-coverage: errors among the answers kept, by the share of them", curves, Frame(top=f"{worst:.3f}"))


def _reliability(found: Calibration) -> Text:
    both = [(found.before.reliability, BEFORE), (found.after.reliability, AFTER)]
    lowest = min(float(min(bins.confidence.min(), bins.accuracy.min())) for bins, _ in both)
    start = min(0.9, np.floor(lowest * 10) / 10)
    ends = np.array([0.0, 1.0])
    curves = [Curve(ends, ends, IDEAL)]
    for bins, style in both:
        curves.append(Curve((bins.confidence - start) / (1 - start), (bins.accuracy - start) / (1 - start), style))
    label = f"{start:.1f}"
    return plot("reliability: accuracy of answers, by their confidence", curves, Frame(bottom=label, left=label))


def plot(title: str, curves: Sequence[Curve], frame: Frame) -> Text:
    """Later curves lie on top of earlier ones."""
    bits = np.zeros((_LINES, _COLUMNS), np.int64)
    styles = [[""] * _COLUMNS for _ in range(_LINES)]
    for curve in curves:
        for across, down in _dots(curve):
            line, column = down // 4, across // 2
            bits[line, column] |= _DOTS[down % 4][across % 2]
            styles[line][column] = curve.style
    text = Text(f"{title}\n", style="bold")
    for line in range(_LINES):
        label = {0: frame.top, _LINES - 1: frame.bottom}.get(line, "")
        text.append(f"{label:>6} │", style="not bold")
        for column in range(_COLUMNS):
            text.append(chr(0x2800 + int(bits[line, column])), style=f"not bold {styles[line][column]}".strip())
        text.append("\n")
    below = f"{frame.left}{frame.right:>{_COLUMNS - len(frame.left)}}"
    text.append(f"{'':>6} └{'─' * _COLUMNS}\n{'':>8}{below}\n", style="not bold")
    return text


def _dots(curve: Curve) -> set[tuple[int, int]]:
    """Of every column of dots that the curve crosses, those from where it enters to where it leaves."""
    width, height = _COLUMNS * 2 - 1, _LINES * 4 - 1
    order = np.argsort(curve.x, kind="stable")
    x, y = np.clip(curve.x[order], 0, 1) * width, (1 - np.clip(curve.y[order], 0, 1)) * height
    along = np.arange(np.ceil(x[0]), np.floor(x[-1]) + 0.5, 0.5)
    points = zip(np.append(x, along), np.append(y, np.interp(along, x, y)), strict=True)
    return {(round(across), round(down)) for across, down in points}
