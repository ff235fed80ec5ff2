"""`make bench-report`: all of build/bench/*.json as docs/benchmarks.md, with a plot for each bench."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure as Canvas

from tests.bench.figures import FOLDER
from tests.cluster.progress import say

PAGE = Path("docs/benchmarks.md")
PLOTS = Path("docs/benchmarks")
_HEAD = """# Benchmarks

Written by `make bench-report` from the JSON the benches leave in `build/bench/`, where every figure has the numbers
of each round. Contestants are measured in turns, in one run; values are medians unless their name says otherwise.
Absolute times belong to the machine named with them, quotients travel better.
"""
_TITLES = {
    "main": "The main job: operator, devices, model updates",
    "serving": "The runtime",
    "hybrid": "Help from the cloud",
    "ota": "New versions over a fleet",
    "http-layers": "HTTP layers",
}
_MET, _MISSED, _PLAIN = "#2a7f62", "#c0392b", "#7f8c8d"


@dataclass(frozen=True)
class Bench:
    """One JSON file."""

    name: str
    body: dict[str, Any]

    @property
    def figures(self) -> list[dict[str, Any]]:
        return list(self.body["figures"])


def main() -> None:
    benches = [Bench(path.stem, json.loads(path.read_text())) for path in sorted(FOLDER.glob("*.json"))]
    if not benches:
        raise SystemExit("nothing in build/bench: run `make bench-main` or `make bench-serving` first")
    PLOTS.mkdir(parents=True, exist_ok=True)
    mpl.rcParams |= {"svg.hashsalt": "edgewise", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9}
    PAGE.write_text("\n".join([_HEAD, *[_section(bench) for bench in benches]]))
    say(f"wrote {PAGE}")


def _section(bench: Bench) -> str:
    machine = bench.body["machine"]
    lines = [
        f"## {_TITLES.get(bench.name, bench.name)}",
        "",
        f"Run it again with `make bench-{bench.name}`. Commit {bench.body['commit'][:12]};"
        f" {machine['cores']} cores{_processor(machine)}, {machine['platform']}, Python {machine['python']}.",
        *_asked(bench),
        *_pictures(bench),
        "",
        "| figure | value | asked | |",
        "| --- | ---: | ---: | --- |",
        *[_row(figure) for figure in bench.figures],
        "",
    ]
    settings = bench.body.get("settings") or {}
    if settings:
        lines += ["Set up as follows:", "", *[f"- {name}: {text}" for name, text in settings.items()], ""]
    return "\n".join(lines)


def _asked(bench: Bench) -> list[str]:
    """How many figures reach what was asked, and by how much; nothing where nothing was asked."""
    verdicts = [figure["met"] for figure in bench.figures if figure["met"] is not None]
    if not verdicts:
        return []
    text = f"{sum(verdicts)} of {len(verdicts)} figures reach what was asked."
    return [text, "", f"![How far each figure is from what was asked]({_plotted(bench)})"]


def _pictures(bench: Bench) -> list[str]:
    """What the bench drew itself, build/bench/<bench>-<picture>.svg."""
    lines: list[str] = []
    for drawn in sorted(FOLDER.glob(f"{bench.name}-*.svg")):
        shutil.copy(drawn, PLOTS)
        lines += ["", f"![{drawn.stem}]({PLOTS.name}/{drawn.name})"]
    return lines


def _processor(machine: dict[str, Any]) -> str:
    return f" of {machine['processor']}" if machine.get("processor") else ""


def _row(figure: dict[str, Any]) -> str:
    sign = "≤" if figure["better"] == "less" else "≥"
    asked = "" if figure["limit"] is None else f"{sign} {figure['limit']:g}"
    verdict = {True: "met", False: "**missed**", None: ""}[figure["met"]]
    return f"| {figure['name']}{_parts(figure)} | {figure['value']:g} {figure['unit']} | {asked} | {verdict} |"


def _parts(figure: dict[str, Any]) -> str:
    """What the figure was worked out from: the median of each contestant."""
    medians = {name: _median(values) for name, values in (figure.get("raw") or {}).items() if values}
    return f"<br>{', '.join(f'{name} {value:.4g}' for name, value in medians.items())}" if medians else ""


def _median(values: list[float]) -> float:
    ordered = sorted(values)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def _plotted(bench: Bench) -> str:
    """Path, seen from the page, of a plot of each round of the figures that something was asked of."""
    figures = [figure for figure in bench.figures if figure["limit"]]
    canvas = Canvas(figsize=(8.5, 0.7 + 0.28 * len(figures)), layout="constrained")
    axes = canvas.add_subplot()
    for at, figure in enumerate(figures):
        colour = {True: _MET, False: _MISSED, None: _PLAIN}[figure["met"]]
        axes.plot([_reach(figure, run) for run in figure["runs"]], [at] * len(figure["runs"]), "|", color=colour, ms=6)
        axes.plot([_reach(figure, figure["value"])], [at], "o", color=colour, ms=5)
    axes.axvline(1.0, color="black", lw=0.8)
    axes.set_yticks(range(len(figures)), [figure["name"] for figure in figures])
    axes.invert_yaxis()
    axes.set_xscale("symlog", linthresh=0.1)
    axes.set_xlabel("of what was asked; left of the line is better. Dots: values, strokes: rounds")
    axes.spines[["top", "right"]].set_visible(False)
    path = PLOTS / f"{bench.name}.svg"
    canvas.savefig(path, metadata={"Date": None})
    return f"{PLOTS.name}/{path.name}"


def _reach(figure: dict[str, Any], value: float) -> float:
    """1.0 is what was asked, less is better, whichever way the figure counts."""
    limit: float = figure["limit"]
    return value / limit if figure["better"] == "less" else limit / max(value, 1e-9)


if __name__ == "__main__":
    main()
