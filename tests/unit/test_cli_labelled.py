"""Files of labelled examples, and what is told of those that are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgewise.cli.calibration.samples import SampleError
from edgewise.cli.labelled import read_answers, read_examples

X, LABELS = np.zeros((4, 2), np.float32), np.arange(4)


def test_every_array_but_the_labels_is_an_input(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", a=X, b=X, labels=LABELS)
    found = read_examples(tmp_path / "set.npz")
    assert (sorted(found.inputs), found.labels.tolist()) == (["a", "b"], [0, 1, 2, 3])


@pytest.mark.parametrize("compressed", [np.savez, np.savez_compressed])
def test_the_clouds_answers_are_optional(tmp_path: Path, compressed: Callable[..., None]) -> None:
    compressed(tmp_path / "without.npz", logits=X, labels=LABELS)
    compressed(tmp_path / "with.npz", logits=X, labels=LABELS, cloud=X + 1)
    assert read_answers(tmp_path / "without.npz").cloud is None
    cloud = read_answers(tmp_path / "with.npz").cloud
    assert cloud is not None
    assert cloud.tolist() == [[1, 1]] * 4


def truncated(path: Path) -> None:
    np.savez_compressed(path, logits=np.random.default_rng(0).random((99, 9)), labels=np.arange(99))
    whole = path.read_bytes()
    path.write_bytes(whole[:200] + bytes(len(whole) - 400) + whole[-200:])


def bare_array(path: Path) -> None:
    np.save(path.with_suffix(".npy"), X)
    path.with_suffix(".npy").rename(path)


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda path: None, "cannot read"),
        (lambda path: path.mkdir(), "cannot read"),
        (lambda path: path.write_bytes(b""), "cannot read"),
        (lambda path: path.write_text("0,1\n"), "cannot read"),
        (truncated, "cannot read"),
        (lambda path: np.savez(path, logits=np.array([{}]), labels=LABELS), "cannot read.*pickle"),
        (bare_array, "cannot read.*numpy.savez"),
        (lambda path: np.savez(path, logits=X), r"has no array labels \(it has none\)"),
        (lambda path: np.savez(path, labels=LABELS, x=X), r"has no array logits \(it has labels, x\)"),
        (lambda path: np.savez(path, logits=X, labels=3), "labels in .* is one number"),
    ],
)
def test_a_file_that_is_none_is_told(tmp_path: Path, write: Callable[[Path], None], said: str) -> None:
    path = tmp_path / "set.npz"
    write(path)
    with pytest.raises(SampleError, match=said):
        read_answers(path)


def test_inputs_that_are_fewer_than_the_labels_are_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", x=X[:3], labels=LABELS)
    with pytest.raises(SampleError, match=r"x in .* has shape \[3, 2\]; there are 4 labels"):
        read_examples(tmp_path / "set.npz")
