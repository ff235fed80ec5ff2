"""Bytes of deltas against the best of three other ways, change by change; what applying them takes of a device."""

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edgewise_runtime.deltas.encoding import Files, delta
from tests.bench.figures import Figure, Report
from tests.bench.ota.changes import Change, changes
from tests.bench.ota.rivals import WAYS
from tests.cluster.command import run

ROUNDS = 15
APPLIED = "tests.bench.ota.applied"


def figures(report: Report) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for number, change in enumerate(changes()):
            made = delta(Files(change.old, change.new))
            for figure in _sizes(change, made):
                report.add(figure)
            for figure in _costs(change, made, Path(folder) / str(number)):
                report.add(figure)


def _sizes(change: Change, made: bytes) -> Iterator[Figure]:
    """limit: the figure asked for; raw: bytes of each way."""
    rivals = {name: float(way(change.old, change.new)) for name, way in WAYS.items()}
    raw = {"full": [float(len(change.new))], "delta": [float(len(made))]} | {way: [n] for way, n in rivals.items()}
    best = len(made) / min(rivals.values())
    yield Figure(f"delta, {change.name}: bytes / the best other way", [best], "", limit=1.05, raw=raw)
    yield Figure(f"delta, {change.name}: bytes / the full file", [len(made) / len(change.new)], "", limit=1.0, raw=raw)


def _costs(change: Change, made: bytes, folder: Path) -> Iterator[Figure]:
    """Times of one round are of the same seconds, both from the disk."""
    folder.mkdir()
    paths = [folder / name for name in ("delta", "old", "new")]
    for path, content in zip(paths, (made, change.old, change.new), strict=True):
        path.write_bytes(content)
    took = json.loads(run(sys.executable, "-m", APPLIED, *map(str, paths), str(ROUNDS)))
    ratios = [apply / read for apply, read in zip(took["apply"], took["read"], strict=True)]
    times = {"apply": took["apply"], "read": took["read"]}
    memory = [took["memory"] / len(change.new)]
    yield Figure(f"delta, {change.name}: time to apply / to read and hash the file", ratios, "", limit=2.0, raw=times)
    yield Figure(f"delta, {change.name}: peak memory / the model", memory, "", limit=2.0)
    for path in paths:
        path.unlink()
