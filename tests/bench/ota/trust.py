"""A pod that must be shown signatures, under every attack on them: how many of them it refuses, and serves on.

Called by `make bench-ota`. The program is a process of its own, with a real file server and an operator that lies.
"""

import asyncio
import tempfile
from pathlib import Path

from tests.bench.figures import Figure, Report
from tests.runtime.agent.attacks import ATTACKS, Attack, Siege, cuts, siege
from tests.runtime.agent.tinymodels import TWO

PERCENTS = range(100)


def figures(report: Report) -> None:
    with tempfile.TemporaryDirectory() as folder:
        refused, cut, taken = asyncio.run(_withstood(Path(folder)))
    report.settings["signatures"] = f"{len(refused)} forgeries and replays, {len(cut)} cuts at every percent"
    report.add(
        Figure("wrong, missing, foreign, replayed, tampered signatures: refused", refused, "%", "more", 100, _mean)
    )
    report.add(Figure("cuts of signature, manifest and model at every percent: refused", cut, "%", "more", 100, _mean))
    report.add(Figure("signed version after all of them: taken", taken, "%", "more", 100, _mean))


async def _withstood(root: Path) -> tuple[list[float], list[float], list[float]]:
    """100 for each attack after which the old version serves and the new one is refused, else 0."""
    async with siege(root) as besieged:
        refused = [await _refused(besieged, attack) for attack in ATTACKS.items()]
        cut = [await _refused(besieged, attack) for attack in cuts(PERCENTS)]
        return refused, cut, [100.0 * await besieged.takes(lambda publisher: publisher.release(TWO, "2.0.0"))]


async def _refused(besieged: Siege, attack: tuple[str, Attack]) -> float:
    name, try_it = attack
    withstood = await besieged.refuses(try_it) and await besieged.still_answers()
    if not withstood:
        print(f"  not refused: {name}")
    return 100.0 * withstood


def _mean(runs: list[float]) -> float:
    return sum(runs) / len(runs)
