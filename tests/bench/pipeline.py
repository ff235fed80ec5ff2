"""The OCR pipeline of example 06 on a scanned page: how long it takes, step by step, and what it read.

Called by tests/bench/serving. One thread of one core, in this process: the network is other figures' business.
"""

import io
import statistics

from PIL import Image

from edgewise_runtime.pipeline.session import PipelineSession
from examples import fetch
from tests.bench.figures import Figure, Report
from tests.runtime.ocr import ocr_pipeline
from tests.runtime.photos import encoded, tensor

ROUNDS = 40
LIMIT = 25.0
"""Milliseconds: what people ask of detect, classify and track together."""
LABEL = (148, 4, 300, 42)
"""A word of the page's heading, as on a label; left, top, right, bottom."""


def pipeline(report: Report) -> None:
    """Detection, orientation, recognition of a word; and, reported only, of the whole page."""
    session = ocr_pipeline(threads=1)
    page = fetch.fetch("page.png").read_bytes()
    label = encoded(Image.open(io.BytesIO(page)).crop(LABEL))
    for name, picture, limit in (("a label", label, LIMIT), ("a page of seven lines", page, None)):
        runs, steps, texts = _timed(session, picture)
        figure = Figure(f"OCR pipeline (detect, orient, read), {name}", runs, "ms", limit=limit, raw=steps)
        report.add(figure)
        medians = ", ".join(f"{step} {statistics.median(values):.1f} ms" for step, values in steps.items())
        report.settings[f"pipeline, {name}"] = f"1 thread; {medians}; read: {' / '.join(texts)}"


def _timed(session: PipelineSession, picture: bytes) -> tuple[list[float], dict[str, list[float]], list[str]]:
    """Milliseconds of each round, of each step in each round, and the text."""
    names, feeds = ["read.text", "read.score", "detect.quads"], {"image": tensor(picture)}
    steps: dict[str, list[float]] = {name: [] for name in session.timings}
    runs: list[float] = []
    texts: list[str] = []
    for _ in range(ROUNDS + 3):
        before = {name: timing.seconds for name, timing in session.timings.items()}
        found = session.run(feeds, names)
        taken = {name: (timing.seconds - before[name]) * 1000 for name, timing in session.timings.items()}
        for name, milliseconds in taken.items():
            steps[name].append(milliseconds)
        runs.append(sum(taken.values()))
        texts = [text.decode() for text in found[0]]
    return runs[3:], {name: values[3:] for name, values in steps.items()}, texts
