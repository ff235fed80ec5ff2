"""What a pipeline's steps ask of the models before them. The operator and the runtime say the same."""

from __future__ import annotations

from typing import Any

import pytest

from edgewise.api.pipeline import PipelineStep
from edgewise.api.processing import Processing
from edgewise.contract import chains

PRE: list[dict[str, Any]] = [{"decodeImage": {}}, {"toTensor": {}}]
MODELS = {
    "finder": {"pre": PRE, "post": [{"nms": {}}], "labels": ["cat", "dog"]},
    "lines": {"pre": PRE, "post": [{"textBoxes": {}}]},
    "blind": {"post": [{"nms": {}}]},
    "angle": {"pre": PRE, "post": [{"topK": {}}], "labels": ["0", "180"]},
    "breed": {"pre": PRE, "post": [{"topK": {}}], "labels": ["pug", "collie"]},
    "nameless": {"pre": PRE, "post": [{"topK": {}}]},
    "reader": {"pre": PRE, "post": [{"ctcDecode": {}}], "labelsFrom": "character"},
    "eyes": {"pre": PRE},
    "raw": None,
}
PROCESSING = {
    name: Processing.model_validate(processing) if processing is not None else None
    for name, processing in MODELS.items()
}


def problem(first: str, second: str, **of_second: Any) -> str:
    """With a chain of two steps called a and b."""
    what: dict[str, Any] = {"track": {}} if second == "track" else {"model": second}
    steps = [{"name": "a", "model": first}, {"name": "b", **what, "from": "a", **of_second}]
    return chains.problem([PipelineStep.model_validate(step) for step in steps], PROCESSING)


@pytest.mark.parametrize(
    ("first", "second", "more"),
    [
        pytest.param("finder", "breed", {"crop": "boxes"}, id="boxes are cut out"),
        pytest.param("lines", "reader", {"crop": "quads"}, id="quads are cut out"),
        pytest.param("finder", "breed", {"crop": "boxes", "when": {"labels": ["dog"]}}, id="some boxes are cut out"),
        pytest.param("lines", "reader", {"crop": "quads", "when": {"minScore": "0.8"}}, id="sure lines are cut out"),
        pytest.param("angle", "reader", {"turn": {}}, id="pictures are turned"),
        pytest.param("breed", "reader", {"when": {"minScore": "0.5", "labels": ["pug"]}}, id="some pictures go on"),
        pytest.param("finder", "track", {}, id="boxes are followed"),
        pytest.param("blind", "track", {}, id="boxes are followed where nobody saw a picture"),
        pytest.param("eyes", "reader", {}, id="the same pictures go on"),
        pytest.param("raw", "raw", {}, id="tensors go on"),
        pytest.param("eyes", "raw", {}, id="tensors of pictures go on"),
    ],
)
def test_these_fit(first: str, second: str, more: dict[str, Any]) -> None:
    assert problem(first, second, **more) == ""


@pytest.mark.parametrize(
    ("first", "second", "more", "says"),
    [
        ("lines", "reader", {"crop": "boxes"}, "crop 'boxes' is no output of step a to cut by"),
        ("finder", "reader", {"crop": "score"}, "crop 'score' is no output of step a to cut by"),
        ("raw", "reader", {"crop": "boxes"}, "crop 'boxes' is no output of step a to cut by"),
        ("blind", "reader", {"crop": "boxes"}, "model blind takes none; give it processing.pre"),
        ("finder", "raw", {"crop": "boxes"}, "model raw takes none; give it processing.pre"),
        ("lines", "track", {}, "track follows boxes, and model lines gives none"),
        ("raw", "track", {}, "track follows boxes, and model raw gives none"),
        ("finder", "breed", {}, "step a finds boxes; say by crop"),
        ("blind", "raw", {}, "step a finds boxes; say by crop"),
        ("raw", "breed", {}, "model breed takes pictures, and step a has none"),
        ("breed", "reader", {"turn": {}}, "turn takes labels 0, 90, 180, 270 (degrees), and breed has 'pug'"),
        ("nameless", "reader", {"turn": {}}, "give model nameless a post step topK, and labels"),
        ("reader", "reader", {"turn": {}}, "give model reader a post step topK, and labels"),
        ("angle", "raw", {"turn": {}}, "turn turns pictures, and model raw takes none"),
        ("raw", "raw", {"when": {}}, "when needs a score of step a; give model raw a post step"),
        ("eyes", "raw", {"when": {}}, "when needs a score of step a; give model eyes a post step"),
        ("nameless", "raw", {"when": {"labels": ["pug"]}}, "when.labels needs labels of step a"),
        ("lines", "reader", {"crop": "quads", "when": {"labels": ["x"]}}, "when.labels needs labels of step a"),
        ("reader", "raw", {"when": {"labels": ["x"]}}, "when.labels needs labels of step a"),
    ],
)
def test_these_do_not_and_are_told_why(first: str, second: str, more: dict[str, Any], says: str) -> None:
    text = problem(first, second, **more)
    assert text.startswith("pipeline step b: ")
    assert says in text


def test_steps_that_read_the_request_depend_on_no_other() -> None:
    steps = [PipelineStep(name="a", model="raw"), PipelineStep(name="b", model="finder")]
    assert chains.problem(steps, PROCESSING) == ""
