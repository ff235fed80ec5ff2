"""Chains of tiny real models: one finds the halves of a picture, one names a colour."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edgewise.api.pipeline import PipelineStep
from edgewise.api.processing import Processing
from edgewise_runtime.engines import load
from edgewise_runtime.engines.base import Array, EngineOptions, Session
from edgewise_runtime.pipeline.building import build
from edgewise_runtime.pipeline.session import PipelineSession
from edgewise_runtime.processing import processed
from tests.runtime import tinyonnx

Members = Mapping[str, tuple[Session, Processing | None]]

EIGHT = [{"decodeImage": {}}, {"resize": {"width": 8, "height": 8}}, {"toTensor": {}}]
FOUR = [{"decodeImage": {}}, {"resize": {"width": 4, "height": 4}}, {"normalise": {}}, {"toTensor": {}}]
HALVES = np.array([[0, 0, 4, 8, 0.9], [4, 0, 8, 8, 0.6]])
"""Boxes of 8 x 8 pixels, with a score: the left half surely, the right half maybe."""
FINDER = {"pre": EIGHT, "post": [{"nms": {}}], "labels": ["half"]}
COLOUR = {"pre": FOUR, "post": [{"topK": {}}], "labels": ["red", "green", "blue"]}
TWO_COLOURS = Image.fromarray(
    np.repeat(np.array([[[255, 0, 0], [0, 0, 255]]], np.uint8), 20, axis=1).repeat(20, axis=0)
)


def steps(*raw: Mapping[str, Any]) -> list[PipelineStep]:
    return [PipelineStep.model_validate(step) for step in raw]


def model(path: Path, spec: dict[str, Any] | None) -> tuple[Session, Processing | None]:
    processing = Processing.model_validate(spec) if spec else None
    return processed(load(path, "ONNX", EngineOptions(threads=1)), processing), processing


def chain(models: Mapping[str, tuple[Session, Processing | None]], *raw: Mapping[str, Any]) -> PipelineSession:
    sessions = {name: session for name, (session, _) in models.items()}
    return build(steps(*raw), sessions, {name: processing for name, (_, processing) in models.items()})


FIND = {"name": "find", "model": "finder"}
NAME = {"name": "name", "model": "colour", "from": "find", "crop": "boxes"}


def finder_and_colour(folder: Path) -> Members:
    """The models that FIND and NAME name."""
    return {
        "finder": model(tinyonnx.finder(folder, HALVES), FINDER),
        "colour": model(tinyonnx.colours(folder), COLOUR),
    }


def ask(session: Session, *names: str, **feeds: Array) -> list[Any]:
    return [array.tolist() for array in session.run(feeds, names)]
