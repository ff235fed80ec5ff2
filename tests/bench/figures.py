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


@dataclass(frozen=True)
class Figure:
    """One figure. limit: the figure asked for; absent: reported only."""

    name: str
    runs: list[float]
    unit: str
    better: Literal["less", "more"] = "less"
    limit: float | None = None
    summary: Callable[[list[float]], float] = statistics.median

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

    def add(self, figure: Figure) -> None:
        self.figures.append(figure)
        Console(highlight=False).print(f"  {figure.name}: {figure.value:g} {figure.unit}")

    def write(self) -> Path:
        """build/bench/<name>.json, and the table."""
        FOLDER.mkdir(parents=True, exist_ok=True)
        path = FOLDER / f"{self.name}.json"
        body = {
            "commit": run("git", "rev-parse", "HEAD").strip(),
            "machine": {"cores": os.cpu_count(), "platform": platform.platform(), "python": platform.python_version()},
            "figures": [_plain(figure) for figure in self.figures],
        }
        path.write_text(json.dumps(body, indent=1) + "\n")
        Console(highlight=False).print(self._table())
        return path

    def _table(self) -> Table:
        table = Table(title=f"bench {self.name}", box=None, header_style="bold")
        for column in ("figure", "value", "asked", "verdict", "runs"):
            table.add_column(column, overflow="fold")
        for figure in self.figures:
            sign = "≤" if figure.better == "less" else "≥"
            asked = "" if figure.limit is None else f"{sign} {figure.limit:g}"
            verdict = {True: "[green]met[/]", False: "[red]missed[/]", None: "reported"}[figure.met]
            runs = " ".join(f"{value:.3g}" for value in figure.runs)
            table.add_row(figure.name, f"{figure.value:g} {figure.unit}", asked, verdict, runs)
        return table


def _plain(figure: Figure) -> dict[str, object]:
    plain = asdict(figure)
    del plain["summary"]
    return {**plain, "value": figure.value, "met": figure.met}
