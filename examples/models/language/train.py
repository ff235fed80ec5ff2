"""Trains the language models and writes all that follows from them: ONNX files, held-out data, metrics.json.

python examples/models/language/train.py            # seconds; numpy, onnx, onnxruntime
python examples/models/language/train.py --check    # trains nothing: do the committed files still give these figures?
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # sums that do not depend on the number of cores
sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from examples.fetch import FILES, fetch, sha256
from examples.models.digits import measure
from examples.models.digits.network import Array
from examples.models.language.data import Bytes, Split, Texts, read, read_held_out, write_held_out
from examples.models.language.ngrams import Grams, Recipe, train

HERE = Path(__file__).resolve().parent
HELD_OUT, METRICS = HERE / "heldout.npz", HERE / "metrics.json"
SEED = 1
EDGE, CLOUD = "language-edge-1.0.0.onnx", "language-cloud-1.0.0.onnx"
RECIPES = {
    EDGE: Recipe((Grams(1, 256), Grams(2, 1021)), epochs=300, rate=5e-2, decay=0.0),
    CLOUD: Recipe((Grams(2, 1021), Grams(3, 2039), Grams(4, 2039)), epochs=20, rate=5e-3, decay=0.05),
}


def main() -> int:
    """0 when done, or when --check found nothing wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare the committed files with metrics.json")
    if not parser.parse_args().check:
        make()
    problems = check()
    for line in problems or [f"{len(RECIPES)} model files are as recorded"]:
        sys.stdout.write(f"{line}\n")
    return 1 if problems else 0


def make() -> None:
    """Trains, measures, and writes every file."""
    split = read(fetch("django.whl"), SEED)
    write_held_out(HELD_OUT, split.held_out)
    for file in RECIPES:
        write_model(split.train, file, HERE / file, SEED)
    METRICS.write_text(json.dumps(measured(split), indent=2) + "\n")


def write_model(texts: Texts, file: str, path: Path, seed: int) -> None:
    """The model called `file`, trained on `texts`, to `path`."""
    from examples.models.language.export import write_onnx

    version = file.removesuffix(".onnx").rpartition("-")[2]
    write_onnx(train(texts.text, texts.labels, RECIPES[file], seed), path, "language", version)


def infer(path: Path, text: Bytes) -> Array:
    """Logits [N, languages] of texts [N, WIDTH]."""
    logits: Array = measure.load(path).run(["logits"], {"text": text})[0]
    return logits


def measured(split: Split) -> dict[str, Any]:
    """The content of metrics.json."""
    parts = {"train": split.train, "calibration": split.calibration, "heldOut": split.held_out}
    data = {"source": FILES["django.whl"].requirement, **{name: len(part.labels) for name, part in parts.items()}}
    return {"data": data, "files": {file: _file(HERE / file, split.held_out) for file in RECIPES}}


def _file(path: Path, held_out: Texts) -> dict[str, Any]:
    accuracy = measure.accuracy(infer(path, held_out.text), held_out.labels)
    return {"sha256": sha256(path), "size": path.stat().st_size, "accuracy": accuracy}


def check() -> list[str]:
    """What differs between the committed files and metrics.json; nothing when all is well."""
    recorded, held_out = json.loads(METRICS.read_text())["files"], read_held_out(HELD_OUT)
    found = {file: _file(HERE / file, held_out) for file in RECIPES}
    return [f"{file}: {found[file]}, recorded {recorded[file]}" for file in RECIPES if found[file] != recorded[file]]


if __name__ == "__main__":
    sys.exit(main())
