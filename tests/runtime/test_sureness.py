"""Which output says how sure an answer is: the one that the model names, else what its task suggests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgewise.api.confidence import Confidence, Task
from edgewise_runtime.engines.base import ModelLoadError, Quantization, TensorSpec
from edgewise_runtime.escalation.confidence import Sureness, sureness_of

LOGITS = TensorSpec("logits", "FP32", (-1, 10))
COUNTS = TensorSpec("counts", "INT64", (-1,))
EMBEDDING = TensorSpec("embedding", "FP16", (-1, 512))
QUANTISED = TensorSpec("logits", "INT8", (-1, 2), Quantization((0.5,), (0,)))
LABEL = TensorSpec("label", "BYTES", (-1, 3))
TOP = TensorSpec("score", "FP32", (-1, 3))
BOXES = (
    TensorSpec("boxes", "FP32", (-1, 4)),
    TensorSpec("score", "FP32", (-1,)),
    TensorSpec("image", "INT64", (-1,)),
)
MAP = TensorSpec("map", "FP32", (-1, 1, -1, -1))

FOUND: dict[str, tuple[Task, Confidence | None, tuple[TensorSpec, ...], tuple[TensorSpec, ...], str]] = {
    "the only one of a classifier": ("Classification", None, (LOGITS,), (), "logits by SoftmaxMax"),
    "the only one with real numbers": ("Classification", None, (COUNTS, LOGITS), (), "logits by SoftmaxMax"),
    "quantised numbers are real": ("Classification", None, (QUANTISED,), (), "logits by SoftmaxMax"),
    "two that could be meant": ("Classification", None, (LOGITS, EMBEDDING), (), ""),
    "of two, the one that is named": (
        "Classification", Confidence(output="logits"), (LOGITS, EMBEDDING), (), "logits by SoftmaxMax",
    ),
    "behind labels, the model's own": ("Classification", None, (LABEL, TOP), (LOGITS,), "logits by SoftmaxMax"),
    "the best box": ("Detection", None, BOXES, (), "score by Score in image"),
    "boxes of a model that gives them itself": (
        "Detection", None, (TensorSpec("scores", "FP32", (-1, 100)),), (), "scores by Score",
    ),
    "a map tells nothing of boxes": ("Detection", None, (MAP,), (), ""),
    "regression": ("Regression", None, (EMBEDDING,), (), ""),
    "a regression with a score": ("Regression", Confidence(output="logits"), (LOGITS,), (), "logits by Score"),
    "an anomaly score": ("Anomaly", Confidence(threshold="3"), (TensorSpec("y", "FP32", (-1, 1)),), (), "y by Score"),
    "nobody can tell": ("Classification", Confidence(method="None"), (LOGITS,), (), ""),
}  # fmt: skip


def described(found: Sureness | None) -> str:
    if found is None:
        return ""
    return f"{found.spec.name} by {found.confidence.method}" + (f" in {found.found_in}" if found.found_in else "")


@pytest.mark.parametrize("case", FOUND)
def test_the_output_that_tells(case: str) -> None:
    task, given_, public, hidden, expected = FOUND[case]
    assert described(sureness_of(task, given_, public, hidden)) == expected


REFUSED: dict[str, tuple[Confidence, tuple[TensorSpec, ...], str]] = {
    "no such output": (Confidence(output="probs"), (LOGITS,), "'probs' is no numeric output: ['logits']"),
    "texts": (Confidence(output="label"), (LABEL,), "'label' is no numeric output: ['label']"),
    "not said which of two": (
        Confidence(),
        (LOGITS, EMBEDDING),
        "must name one of the outputs: ['embedding', 'logits']",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_output_that_cannot_tell_is_a_mistake_to_be_told(case: str) -> None:
    given_, outputs, says = REFUSED[case]
    with pytest.raises(ModelLoadError) as refusal:
        sureness_of("Classification", given_, outputs)
    assert str(refusal.value) == f"confidence.output {says}"


def found_in(pictures: list[int], scores: list[float]) -> dict[str, Any]:
    """Boxes, as our own steps give them: a score and a picture for each."""
    return {"score": np.array(scores, np.float32), "image": np.array(pictures)}


PICTURES: dict[str, tuple[dict[str, Any], int, float]] = {
    "the best box of a picture": (found_in([0, 0, 0], [0.2, 0.9, 0.5]), 1, 0.9),
    "the picture whose best box is worst": (found_in([0, 0, 1], [0.2, 0.9, 0.5]), 2, 0.5),
    "no box in the only picture": (found_in([], []), 1, 0.0),
    "no box in one of three": (found_in([0, 2], [0.9, 0.8]), 3, 0.0),
    "no picture": (found_in([], []), 0, 0.0),
}


@pytest.mark.parametrize("case", PICTURES)
def test_a_detection_is_as_sure_as_its_least_sure_picture(case: str) -> None:
    outputs, rows, expected = PICTURES[case]
    sureness = sureness_of("Detection", None, BOXES)
    assert sureness is not None
    assert sureness.outputs == ("score", "image")
    assert sureness.of(outputs, rows) == pytest.approx(expected)


def test_with_a_threshold_an_empty_picture_may_be_sure() -> None:
    sureness = sureness_of("Detection", Confidence(threshold="0.5", temperature="0.1"), BOXES)
    assert sureness is not None
    assert sureness.of(found_in([0], [0.52]), 1) == pytest.approx(1 / (1 + np.exp(-0.2)))
    assert sureness.of(found_in([], []), 1) > 0.99


def test_integers_are_made_numbers_before_they_are_judged() -> None:
    sureness = sureness_of("Classification", None, (QUANTISED,))
    assert sureness is not None
    assert sureness.of({"logits": np.array([[4, 0]], np.int8)}, 1) == pytest.approx(1 / (1 + np.exp(-2)))
