"""A small and a big model for each of two data sets and five splits, with what both say of examples neither has seen.

Trained anew for every split by the recipes of the committed pairs, kept in build/bench/pairs, run by the runtime's own
engine. Called by accuracy.py and calibration.py.
"""

import hashlib
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.cli.calibration.samples import Ints, Samples, checked
from edgewise_runtime.engines import load
from edgewise_runtime.engines.base import EngineOptions
from examples.fetch import FILES, fetch
from examples.models.digits import data as digits_data
from examples.models.digits import train as digits
from examples.models.digits.export import write_onnx
from examples.models.digits.training import Recipe, train
from examples.models.language import data as language_data
from examples.models.language import train as language
from tests.bench.figures import FOLDER

SEEDS = (1, 2, 3, 4, 5)
"""Each its own split into training, calibration and held-out examples, and its own weights to begin with."""
DIGITS, PLAIN_DIGITS, LANGUAGE = "digits", "digits, plainly trained", "language"
_PLAIN = replace(digits.RECIPES["1.0.0"], epochs=60, distortion=0.0)
"""As most people train: no distortions, until nothing improves any more."""
_ROWS = 256


@dataclass(frozen=True)
class Pair:
    """`fit`: the calibration part, to choose temperature and threshold by; `held`: to judge by, and nothing else."""

    seed: int
    fit: Samples
    held: Samples


@dataclass(frozen=True)
class _Part:
    """Examples that training did not see: inputs [N, ...] of both models, and labels [N]."""

    inputs: NDArray[Any]
    labels: Ints


@dataclass(frozen=True)
class _Trained:
    edge: Path
    cloud: Path
    fit: _Part
    held: _Part


def pairs(name: str) -> list[Pair]:
    """Of DIGITS, PLAIN_DIGITS or LANGUAGE, one for each of SEEDS; those that were never trained take minutes."""
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        trained = list(pool.map(_TRAINED[name], SEEDS))
    return [
        Pair(seed, *(_answered(found, part) for part in (found.fit, found.held)))
        for seed, found in zip(SEEDS, trained, strict=True)
    ]


def _answered(trained: _Trained, part: _Part) -> Samples:
    return checked(_logits(trained.edge, part.inputs), part.labels, _logits(trained.cloud, part.inputs))


def _logits(path: Path, inputs: NDArray[Any]) -> NDArray[Any]:
    """By the engine that a device runs the model with."""
    session = load(path, "ONNX", EngineOptions(threads=1))
    name = session.inputs[0].name
    try:
        pieces = [inputs[start : start + _ROWS] for start in range(0, len(inputs), _ROWS)]
        return np.concatenate([session.run({name: piece}, ["logits"])[0] for piece in pieces])
    finally:
        session.close()


def _digits(edge: Recipe, seed: int) -> _Trained:
    split = digits_data.read(fetch("mnist_5k.csv.gz"), seed)

    def write(recipe: Recipe, path: Path) -> None:
        write_onnx(train(split.train.network_input, split.train.labels, recipe), path, "digits", "0.0.0")

    recipes = [replace(recipe, seed=seed) for recipe in (edge, digits.CLOUD_RECIPE)]
    small, big = (_kept("mnist_5k.csv.gz", digits.HERE, recipe, partial(write, recipe)) for recipe in recipes)
    fit, held = (_Part(part.model_input, part.labels) for part in (split.calibration, split.held_out))
    return _Trained(small, big, fit, held)


def _language(seed: int) -> _Trained:
    split = language_data.read(fetch("django.whl"), seed)

    def write(file: str, path: Path) -> None:
        language.write_model(split.train, file, path, seed)

    small, big = (
        _kept("django.whl", language.HERE, (language.RECIPES[file], seed), partial(write, file))
        for file in (language.EDGE, language.CLOUD)
    )
    fit, held = (_Part(part.text, part.labels) for part in (split.calibration, split.held_out))
    return _Trained(small, big, fit, held)


def _kept(data: str, code: Path, recipe: object, write: Callable[[Path], None]) -> Path:
    """The model that `write` makes of this recipe, data and code; made once."""
    key = hashlib.sha256(f"{FILES[data].sha256} {recipe}".encode())
    for source in sorted(code.glob("*.py")):
        key.update(source.read_bytes())
    path = FOLDER / "pairs" / f"{key.hexdigest()[:16]}.onnx"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial_path = path.with_suffix(".partial")
        write(partial_path)
        partial_path.rename(path)
    return path


_TRAINED: dict[str, Callable[[int], _Trained]] = {
    DIGITS: partial(_digits, digits.RECIPES["1.0.0"]),
    PLAIN_DIGITS: partial(_digits, _PLAIN),
    LANGUAGE: _language,
}
