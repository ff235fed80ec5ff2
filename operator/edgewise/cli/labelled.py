"""Reads labelled examples from .npz files: what a client would send, or logits that were taken elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.cli.calibration.samples import SampleError

Array = NDArray[Any]

LABELS, LOGITS, CLOUD = "labels", "logits", "cloud"


@dataclass(frozen=True)
class Examples:
    """`inputs` {name: [examples, ...]} as the model takes them, and `labels` [examples]."""

    inputs: Mapping[str, Array]
    labels: Array


@dataclass(frozen=True)
class Answers:
    """`logits` [examples, classes] of the device, `labels` [examples], `cloud` as logits where it is there."""

    logits: Array
    labels: Array
    cloud: Array | None


def read_examples(path: Path) -> Examples:
    """An .npz with `labels` and one array for each input of the model. SampleError where it is none."""
    arrays = _arrays(path)
    labels = _taken(arrays, LABELS, path)
    if not arrays:
        raise SampleError(f"{path} has labels and nothing else: add an array for each input of the model")
    for name, array in arrays.items():
        if array.ndim == 0 or len(array) != len(labels):
            raise SampleError(f"{name} in {path} has shape {list(array.shape)}; there are {len(labels)} labels")
    return Examples(arrays, labels)


def read_answers(path: Path) -> Answers:
    """An .npz with `logits`, `labels` and perhaps `cloud`. SampleError where it is none."""
    arrays = _arrays(path)
    return Answers(_taken(arrays, LOGITS, path), _taken(arrays, LABELS, path), arrays.pop(CLOUD, None))


def _arrays(path: Path) -> dict[str, Array]:
    try:
        with np.load(path) as arrays:  # allow_pickle stays False: a file of labels must not run code
            return dict(arrays)
    except Exception as error:  # numpy raises whatever it stumbles over in a damaged file
        said = " ".join(str(error).split())
        raise SampleError(f"cannot read {path} ({said}): write it with numpy.savez(path, labels=..., ...)") from error


def _taken(arrays: dict[str, Array], name: str, path: Path) -> Array:
    if name not in arrays:
        raise SampleError(f"{path} has no array {name} (it has {', '.join(sorted(arrays)) or 'none'})")
    array = arrays.pop(name)
    if array.ndim == 0:
        raise SampleError(f"{name} in {path} is one number, not one for each example")
    return array
