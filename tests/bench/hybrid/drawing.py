"""Plots of the hybrid bench, as SVG that gives the same bytes for the same numbers."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure as Canvas

_COLOURS = ("#7f8c8d", "#c08a2b", "#2a7f62")
Runs = Mapping[str, Sequence[float]]
"""{quantity: value of each round}."""


def bars(path: Path, contestants: Mapping[str, Runs], quantities: Sequence[tuple[str, str]]) -> None:
    """A panel for each (quantity, title), a bar for each contestant: the median, and a stroke for each round."""
    mpl.rcParams |= {"svg.hashsalt": "edgewise", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 8}
    canvas = Canvas(figsize=(2.1 * len(quantities), 2.6), layout="constrained")
    for number, (quantity, title) in enumerate(quantities):
        axes = canvas.add_subplot(1, len(quantities), number + 1)
        for at, (colour, runs) in enumerate(zip(_COLOURS, contestants.values(), strict=True)):
            middle = statistics.median(runs[quantity])
            axes.bar(at, middle, color=colour, width=0.7)
            axes.plot([at] * len(runs[quantity]), runs[quantity], "_", color="black", ms=8)
            axes.annotate(
                _short(middle), (at, middle), ha="center", va="bottom", xytext=(0, 2), textcoords="offset points"
            )
        axes.set_xticks(range(len(contestants)), list(contestants), rotation=30, ha="right")
        axes.set_title(title, fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
        if quantity == "accuracy":
            axes.set_ylim(0.9, 1.0)
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.savefig(path, metadata={"Date": None})


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
