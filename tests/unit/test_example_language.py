"""The language models are the files that were measured, and their graph computes what was trained."""

from __future__ import annotations

import gettext
import json
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest

from examples.fetch import fetch
from examples.models.digits.measure import accuracy
from examples.models.language import train
from examples.models.language.data import LANGUAGES, WIDTH, Texts, encoded, read, read_held_out
from examples.models.language.export import write_onnx
from examples.models.language.ngrams import Classifier, Grams, features, indices

RECORDED = json.loads(train.METRICS.read_text())["files"]


@pytest.fixture(scope="module")
def held_out() -> Texts:
    return read_held_out(train.HELD_OUT)


@pytest.fixture(scope="module")
def wheel() -> Path:
    """Django's, from the package registry, once."""
    try:
        return fetch("django.whl")
    except subprocess.CalledProcessError:
        pytest.skip("the django wheel cannot be downloaded here")


def test_committed_files_and_metrics_agree() -> None:
    assert train.check() == []


def test_edge_model_is_good_alone_and_the_bigger_one_clearly_better(held_out: Texts) -> None:
    edge, cloud = (
        accuracy(train.infer(train.HERE / file, held_out.text), held_out.labels) for file in (train.EDGE, train.CLOUD)
    )
    assert edge > 0.9
    assert cloud > edge + 0.03


@pytest.mark.parametrize("file", train.RECIPES)
def test_readme_shows_the_recorded_accuracy(file: str) -> None:
    readme = (train.HERE.parent / "README.md").read_text()
    assert f"| {file} | {RECORDED[file]['size']:,} | {RECORDED[file]['accuracy']:.3f} |" in readme


def test_a_text_is_sent_as_its_bytes() -> None:
    found = encoded("Ändra LÖSENORD")
    assert found.shape == (WIDTH,)
    assert bytes(found).rstrip(b"\0").decode() == " ändra lösenord"
    assert encoded("x" * 100).tolist() == [32, *[120] * (WIDTH - 1)]


def test_a_run_of_bytes_is_a_number_to_the_base_257_modulo_the_buckets() -> None:
    text = np.array([[3, 5, 0, 0]], np.uint8)
    assert indices(text, Grams(1, 256)).tolist() == [[4, 6, 0, 0]]
    assert indices(text, Grams(2, 101)).tolist() == [[(3 * 257 + 5) % 101 + 1, 0, 0]]


def test_features_are_counts_over_the_root_of_how_many_runs_there_are() -> None:
    text = np.stack([encoded("aa"), encoded("aaaaaaaa")])  # with the space 2 and 8 runs of 2 bytes
    found = features(text, (Grams(2, 101),))
    assert found.sum(axis=1) == pytest.approx(np.sqrt([2, 8]))
    assert found.max(axis=1) == pytest.approx([1 / np.sqrt(2), 7 / np.sqrt(8)])


def test_the_graph_computes_what_was_trained(tmp_path: Path, held_out: Texts) -> None:
    rng, grams = np.random.default_rng(0), (Grams(1, 256), Grams(2, 101), Grams(4, 211))
    tables = [rng.normal(0, 1, (each.buckets + 1, len(LANGUAGES))).astype(np.float32) for each in grams]
    for table in tables:
        table[0] = 0
    classifier = Classifier(grams, tables, rng.normal(0, 1, len(LANGUAGES)).astype(np.float32))
    write_onnx(classifier, tmp_path / "model.onnx", "language", "1.0.0")
    text = np.concatenate([held_out.text[:50], np.zeros((1, WIDTH), np.uint8)])
    expected = features(text, grams) @ np.concatenate(tables) + classifier.bias
    assert train.infer(tmp_path / "model.onnx", text) == pytest.approx(expected, abs=1e-4)


def test_catalogues_are_read_as_gettext_reads_them(wheel: Path) -> None:
    name = "django/conf/locale/sv/LC_MESSAGES/django.mo"
    with zipfile.ZipFile(wheel) as archive, archive.open(name) as file:
        translations = gettext.GNUTranslations(file)
    said = translations.gettext("Enter a valid email address.")
    (swedish,) = (LANGUAGES.index(language) for language in LANGUAGES if language == "sv")
    split = read(wheel, seed=1)
    parts = (split.train, split.calibration, split.held_out)
    there = [bool(((part.text == encoded(said)).all(axis=1) & (part.labels == swedish)).any()) for part in parts]
    assert sum(there) == 1


def test_no_text_that_is_held_out_was_learnt_from(wheel: Path, held_out: Texts) -> None:
    split = read(wheel, train.SEED)
    assert np.array_equal(split.held_out.text, held_out.text)
    learnt = {bytes(text) for text in np.concatenate([split.train.text, split.calibration.text])}
    repeated = sum(bytes(text) in learnt for text in held_out.text)
    assert repeated <= 0.02 * len(held_out.text), "a few messages differ in a placeholder only"
