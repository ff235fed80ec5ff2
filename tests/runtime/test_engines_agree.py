"""A real model (Spotify's Basic Pitch, published as .onnx and as .tflite) hears the same notes with every engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgewise_runtime.engines.base import Array
from examples.fetch import fetch
from tests.runtime.enginekinds import KINDS, ir

SAMPLE_RATE, SAMPLES = 22_050, 43_844
A4 = 48  # of 88 keys, from A0 on
NAMES = {"LiteRT": ["note", "onset", "contour"]}  # by its signature; the others have the names of the graph
USUAL = ["StatefulPartitionedCall:1", "StatefulPartitionedCall:2", "StatefulPartitionedCall:0"]


def concert_pitch() -> Array:
    """Two seconds of an A at 440 Hz, with two overtones."""
    time = np.arange(SAMPLES) / SAMPLE_RATE
    wave = sum(np.sin(2 * np.pi * 440 * n * time) / n for n in (1, 2, 3)) / 2
    return np.asarray(wave, np.float32).reshape(1, SAMPLES, 1)


def heard(name: str, folder: Path) -> list[Array]:
    """Notes, onsets and contours, [1, 172 frames, 88 keys or 264 thirds of keys]."""
    kind = KINDS[name]
    path = fetch("pitch.tflite" if kind.format == "TFLite" else "pitch.onnx")
    if kind.format == "OpenVINOIR":
        path = ir(path, folder)
    session = kind.load(path)
    results = session.run({session.inputs[0].name: concert_pitch()}, NAMES.get(name, USUAL))
    session.close()
    return results


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[Array]:
    return heard("ONNX Runtime", tmp_path_factory.mktemp("pitch"))


def test_the_note_is_an_a(expected: list[Array]) -> None:
    assert int(expected[0][0].mean(axis=0).argmax()) == A4


@pytest.mark.parametrize("name", [name for name in KINDS if name != "ONNX Runtime"])
def test_every_engine_hears_the_same(name: str, expected: list[Array], tmp_path: Path) -> None:
    for ours, theirs in zip(expected, heard(name, tmp_path), strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, atol=1e-3)
