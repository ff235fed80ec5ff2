"""The table at the end: what a device fetches of each file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table

from edgewise.api.units import binary
from edgewise.cli.packaging.copies import Packed

COLUMNS = ("FILE", "FULL", "COMPRESSED", "DELTA FROM", "DELTA", "SAVED")


def table(packed: Sequence[Packed]) -> Table:
    """A row for each earlier file that devices may have, one for a file without."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column in COLUMNS:
        shown.add_column(column, justify="left" if column in ("FILE", "DELTA FROM") else "right", overflow="fold")
    for each in packed:
        for row in rows(each):
            shown.add_row(*row)
    return shown


def rows(packed: Packed) -> Iterator[tuple[str, ...]]:
    """As COLUMNS."""
    name, full = packed.build.file.name, len(packed.build.file.content)
    small = len(packed.compressed.content) if packed.compressed is not None else full
    start = (name, binary(full), binary(small) if small < full else "-")
    for made in packed.deltas:
        size, since = len(made.content), made.since.path.name if made.since else ""
        yield (*start, since, binary(size), _saved(size, full))
        start = ("", "", "")
    if not packed.deltas:
        yield (*start, "-", "-", _saved(small, full))


def _saved(size: int, full: int) -> str:
    return f"{1 - size / full:.0%}" if full else "-"
