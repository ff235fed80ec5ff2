"""Trains the digit models and writes all that follows from them: ONNX files, held-out data, metrics.json, EdgeModels.

    python examples/models/digits/train.py            # under a minute on two cores; numpy, onnx, onnxruntime
    python examples/models/digits/train.py --check    # trains nothing: do the committed files still give these figures?

The results are committed, because another processor may round differently and so give other hashes.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products, and sums that do not depend on the number of cores
sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from examples.fetch import FILES, fetch, sha256
from examples.models.digits import measure
from examples.models.digits.data import Digits, Split, read, read_held_out, write_held_out
from examples.models.digits.manifests import edge_model
from examples.models.digits.network import Array, Shape
from examples.models.digits.training import Recipe, train

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parents[1]
HELD_OUT, METRICS = HERE / "heldout.npz", HERE / "metrics.json"
MANIFESTS = {"1.0.0": EXAMPLES / "01-digits/edgemodel.yaml", "1.1.0": EXAMPLES / "02-model-update/edgemodel.yaml"}
CLOUD = "digits-cloud-1.0.0.onnx"

_SMALL = (Shape(5, 2, 2, 8), Shape(3, 2, 1, 16), Shape(7, 1, 0, 10))
_BIG = (Shape(5, 2, 2, 32), Shape(5, 2, 2, 64), Shape(3, 2, 1, 128), Shape(4, 1, 0, 10, dropout=0.5))
RECIPES = {
    "1.0.0": Recipe(_SMALL, epochs=12, distortion=0.5, seed=1),
    "1.1.0": Recipe(_SMALL, epochs=40, distortion=1.0, seed=1),
}
CLOUD_RECIPE = Recipe(_BIG, epochs=32, distortion=1.0, seed=1)
DESCRIPTIONS = {
    "1.0.0": "Handwritten digits, a small network for the edge.",
    "1.1.0": "Handwritten digits, the same network trained longer on stronger distortions.",
}
TOLERANCE = 0.002
"""Two images in a thousand: other processors round, and so decide the closest calls, differently."""


def path_of(file: str) -> Path:
    """Where a model file lies: the cloud's beside its Triton configuration, the others here."""
    return HERE.parent / "digits_cloud" / file if file == CLOUD else HERE / file


def main() -> int:
    """0 when done, or when --check found nothing wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare the committed files with metrics.json")
    if not parser.parse_args().check:
        logging.getLogger().setLevel(logging.ERROR)  # the quantiser asks for a pre-processing that changes nothing here
        make()
    problems = check()
    for line in problems or [f"{len(json.loads(METRICS.read_text())['files'])} model files are as recorded"]:
        sys.stdout.write(f"{line}\n")
    return 1 if problems else 0


def make() -> None:
    """Trains, quantises, measures, and writes every file."""
    split = read(fetch("mnist_5k.csv.gz"))
    write_held_out(HELD_OUT, split.held_out)
    write_models(split)
    metrics = measured(split)
    METRICS.write_text(json.dumps(metrics, indent=2) + "\n")
    for version, manifest in MANIFESTS.items():
        manifest.parent.mkdir(exist_ok=True)
        manifest.write_text(edge_model(version, metrics))


def write_models(split: Split) -> None:
    """Two versions of the small network, each in fp32 and int8, and the big one, which trains beside them."""
    from examples.models.digits.export import write_int8, write_onnx

    with ProcessPoolExecutor(2) as pool:
        images, labels = split.train.network_input, split.train.labels
        cloud = pool.submit(train, images, labels, CLOUD_RECIPE)
        small = {version: pool.submit(train, images, labels, recipe) for version, recipe in RECIPES.items()}
        for version, network in small.items():
            fp32, int8 = path_of(f"digits-fp32-{version}.onnx"), path_of(f"digits-int8-{version}.onnx")
            write_onnx(network.result(), fp32, "digits", version)
            write_int8(fp32, int8, split.calibration.model_input)
        write_onnx(cloud.result(), path_of(CLOUD), "digits-cloud", "1.0.0")


def measured(split: Split) -> dict[str, Any]:
    """The content of metrics.json."""
    data = {
        "source": f"{FILES['mnist_5k.csv.gz'].member} of {FILES['mnist_5k.csv.gz'].requirement}",
        "train": len(split.train.labels),
        "calibration": len(split.calibration.labels),
        "heldOut": len(split.held_out.labels),
    }
    cloud = measure.infer(path_of(CLOUD), split.held_out.model_input)
    files: dict[str, Any] = {CLOUD: _file(path_of(CLOUD), cloud, split.held_out)}
    versions: dict[str, Any] = {}
    for version in RECIPES:
        versions[version], found = _version(version, split, cloud)
        files |= found
    return {"data": data, "versions": versions, "files": files}


def _version(version: str, split: Split, cloud: Array) -> tuple[dict[str, Any], dict[str, Any]]:
    fp32, int8 = f"digits-fp32-{version}.onnx", f"digits-int8-{version}.onnx"
    calibration = measure.infer(path_of(fp32), split.calibration.model_input)
    divisor = measure.temperature(calibration, split.calibration.labels)
    logits = {file: measure.infer(path_of(file), split.held_out.model_input) for file in (fp32, int8)}
    files = {file: _file(path_of(file), logits[file], split.held_out) for file in logits}
    for file, found in files.items():
        found["withCloud"] = measure.escalation(logits[file], cloud, split.held_out.labels, divisor)
    about = {
        "description": DESCRIPTIONS[version],
        "temperature": divisor,
        "int8AgreesWithFp32": measure.agreement(logits[fp32], logits[int8]),
    }
    return about, files


def _file(path: Path, logits: Array, held_out: Digits) -> dict[str, Any]:
    accuracy = measure.accuracy(logits, held_out.labels)
    identity = {"sha256": sha256(path), "size": path.stat().st_size}
    return {**identity, "accuracy": accuracy, "memory": measure.memory(path)}


def check() -> list[str]:
    """What differs between the committed files and metrics.json; nothing when all is well."""
    metrics, held_out = json.loads(METRICS.read_text()), read_held_out(HELD_OUT)
    problems = []
    for file, recorded in metrics["files"].items():
        path = path_of(file)
        if (sha256(path), path.stat().st_size) != (recorded["sha256"], recorded["size"]):
            problems.append(f"{file}: not the file that was measured")
        accuracy = measure.accuracy(measure.infer(path, held_out.model_input), held_out.labels)
        if abs(accuracy - recorded["accuracy"]) > TOLERANCE + 1e-9:
            problems.append(f"{file}: accuracy {accuracy}, recorded {recorded['accuracy']}")
    for version, manifest in MANIFESTS.items():
        if manifest.read_text() != edge_model(version, metrics):
            problems.append(f"{manifest.relative_to(EXAMPLES)}: not what metrics.json gives")
    return problems


if __name__ == "__main__":
    sys.exit(main())
