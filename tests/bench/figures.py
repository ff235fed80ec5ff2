"""Figures as every bench writes them: value, unit, limit, which way is better, the raw runs; the table people read."""

import json
import os
import platform
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

from tests.cluster.command import run

FOLDER = Path("build/bench")
_FEW = 5


@dataclass(frozen=True)
class Figure:
    """One figure. limit: the figure asked for; absent: reported only."""

    name: str
    runs: list[float]
    unit: str
    better: Literal["less", "more"] = "less"
    limit: float | None = None
    summary: Callable[[list[float]], float] = statistics.median
    raw: dict[str, list[float]] = field(default_factory=dict)
    """{contestant: its own numbers, round by round}, where `runs` were worked out from those of several."""

    @property
    def value(self) -> float:
        return round(self.summary(self.runs), 4)

    @property
    def met(self) -> bool | None:
        if self.limit is None:
            return None
        return self.value <= self.limit if self.better == "less" else self.value >= self.limit


@dataclass
class Report:
    """The figures of one bench, in the order in which they were taken."""

    name: str
    figures: list[Figure] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    """{contestant: how it was set up}."""

    def add(self, figure: Figure) -> None:
        self.figures.append(figure)
        Console(highlight=False).print(f"  {figure.name}: {figure.value:g} {figure.unit}")

    def write(self, folder: Path = FOLDER) -> Path:
        """<folder>/<name>.json, and the table."""
        path = self.save(folder)
        console = Console(highlight=False)
        console.print(self._table())
        for contestant, settings in self.settings.items():
            console.print(f"[bold]{contestant}[/] {settings}", style="dim")
        return path

    def save(self, folder: Path) -> Path:
        """<folder>/<name>.json."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.json"
        body = {
            "commit": run("git", "rev-parse", "HEAD").strip(),
            "machine": {
                "cores": os.cpu_count(),
                "processor": _processor(),
                "platform": platform.platform(),
                "python": platform.python_version(),
            },
            "settings": self.settings,
            "figures": [_plain(figure) for figure in self.figures],
        }
        path.write_text(json.dumps(body, indent=1) + "\n")
        return path

    def _table(self) -> Table:
        table = Table(title=f"bench {self.name}", box=None, header_style="bold")
        for column in ("figure", "value", "asked", "verdict", "runs"):
            table.add_column(column, overflow="fold")
        for figure in self.figures:
            sign = "≤" if figure.better == "less" else "≥"
            asked = "" if figure.limit is None else f"{sign} {figure.limit:g}"
            verdict = {True: "[green]met[/]", False: "[red]missed[/]", None: "reported"}[figure.met]
            table.add_row(figure.name, f"{figure.value:g} {figure.unit}", asked, verdict, _shown(figure.runs))
        return table


def _processor() -> str:
    """As the kernel calls it; empty where it has no name for it, as on many arm64 boards."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _shown(runs: list[float]) -> str:
    """All of them while they fit; the JSON has them anyhow."""
    if len(runs) <= _FEW:
        return " ".join(f"{value:.3g}" for value in runs)
    return f"{min(runs):.3g} … {max(runs):.3g} ({len(runs)})"


def _plain(figure: Figure) -> dict[str, object]:
    plain = asdict(figure)
    del plain["summary"]
    return {**plain, "value": figure.value, "met": figure.met}
