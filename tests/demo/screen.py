"""What a person sees: numbered scenes, one line a fact, tables where people would rather look than read."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

console = Console(highlight=False, soft_wrap=True, record=True)

PICTURE_WIDTH = 132


@dataclass
class Programme:
    """Counts the scenes, and keeps one line of each for the end."""

    summary: list[tuple[str, str]] = field(default_factory=list)
    scenes: int = 0

    @contextmanager
    def scene(self, title: str) -> Iterator[None]:
        """One scene: its number and title, and how long it took."""
        self.scenes += 1
        console.print(f"\n[bold cyan]{self.scenes}. {title}[/]")
        began = time.monotonic()
        yield
        console.print(f"   [dim]{time.monotonic() - began:.0f} s[/]")

    def seen(self, what: str, result: str) -> None:
        """A result worth repeating at the end."""
        console.print(f"   [green]✓[/] {what}: [bold]{result}[/]")
        self.summary.append((what, result))

    def finish(self, elapsed: float) -> None:
        console.print(f"\n[bold]What you just saw[/] (in {elapsed / 60:.1f} min)")
        show(("", ""), self.summary)


def save(path: Path) -> None:
    """Everything that was printed, as a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    console.width = PICTURE_WIDTH
    console.save_svg(str(path), title="make demo")


def tell(line: str) -> None:
    console.print(f"   {line}")


def show(header: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """A borderless table, indented like everything else."""
    table = Table(box=None, pad_edge=False, header_style="bold", show_header=any(header))
    for column in header:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)
