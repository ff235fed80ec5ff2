"""Boxes of many pictures become things with a name that stays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.api.pipeline import PipelineStep, Track
from edgewise.api.processing import Processing
from edgewise_runtime.engines.base import Array, TensorSpec
from edgewise_runtime.pipeline.building import build
from edgewise_runtime.pipeline.tracking import CAMERAS, Tracker
from edgewise_runtime.processing.session import ProcessedSession
from tests.runtime.echo import Echo

LEFT, RIGHT = [0.0, 0, 10, 10], [50.0, 0, 60, 10]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def seen(
    tracker: Tracker, *boxes: Sequence[float], kinds: Sequence[int] = (), camera: int = 1, images: Sequence[int] = ()
) -> list[int]:
    feeds: dict[str, Array] = {
        "boxes": np.array(boxes, np.float32).reshape(-1, 4),
        "class": np.array(kinds or [0] * len(boxes), np.int64),
        "image": np.array(images or [0] * len(boxes), np.int64),
        "sequence": np.array([camera], np.int64),
    }
    ids: list[int] = tracker.run(feeds, ["id"])[0].tolist()
    return ids


def moved(box: Sequence[float], by: float) -> list[float]:
    return [box[0] + by, box[1], box[2] + by, box[3]]


def test_a_thing_that_moves_a_little_keeps_its_id() -> None:
    tracker = Tracker(Track())
    assert seen(tracker, LEFT, RIGHT) == [1, 2]
    assert seen(tracker, moved(RIGHT, 3), moved(LEFT, -3)) == [2, 1]


def test_a_thing_that_jumps_is_another() -> None:
    tracker = Tracker(Track())
    assert seen(tracker, LEFT) == [1]
    assert seen(tracker, moved(LEFT, 9)) == [2]


def test_of_two_that_fit_the_better_one_keeps_the_id() -> None:
    tracker = Tracker(Track())
    seen(tracker, LEFT)
    assert seen(tracker, moved(LEFT, 4), moved(LEFT, 1)) == [2, 1]


def test_a_thing_of_another_class_is_another() -> None:
    tracker = Tracker(Track())
    assert seen(tracker, LEFT, kinds=[0]) == [1]
    assert seen(tracker, LEFT, kinds=[1]) == [2]


def test_a_thing_out_of_sight_is_remembered_for_so_long() -> None:
    clock = Clock()
    tracker = Tracker(Track(patience="2s"), clock)
    assert seen(tracker, LEFT) == [1]
    clock.now = 2.0
    assert seen(tracker, LEFT) == [1]
    clock.now = 4.5
    assert seen(tracker, LEFT) == [2]


def test_cameras_do_not_see_each_others_things() -> None:
    tracker = Tracker(Track())
    assert (seen(tracker, LEFT, camera=7), seen(tracker, RIGHT, LEFT, camera=8)) == ([1], [1, 2])
    assert seen(tracker, LEFT, camera=7) == [1]


def test_pictures_in_one_request_follow_each_other() -> None:
    assert seen(Tracker(Track()), LEFT, RIGHT, moved(LEFT, 2), images=[0, 0, 1]) == [1, 2, 1]


def test_only_the_last_cameras_are_remembered() -> None:
    tracker = Tracker(Track())
    for camera in range(CAMERAS + 1):
        assert seen(tracker, LEFT, RIGHT, camera=camera) == [1, 2]
    assert seen(tracker, RIGHT, camera=1) == [2]
    assert seen(tracker, RIGHT, camera=0) == [1]


@settings(max_examples=100)
@given(st.lists(st.lists(st.lists(st.floats(width=32), min_size=4, max_size=4), max_size=4), max_size=4))
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_no_box_is_too_strange(frames: list[list[list[float]]]) -> None:
    tracker = Tracker(Track(iou="0"))
    for boxes in frames:
        ids = seen(tracker, *boxes)
        assert len(set(ids)) == len(ids) == len(boxes)


class Detector(Echo):
    """Finds what the request says: boxes [1, boxes, 5]."""

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return (TensorSpec("found", "FP32", (1, -1, 5)),)


def test_a_step_of_a_pipeline_follows_what_another_found() -> None:
    processing = Processing.model_validate({"post": [{"nms": {}}]})
    steps = [{"name": "find", "model": "detector"}, {"name": "follow", "from": "find", "track": {}}]
    session = build(
        [PipelineStep.model_validate(step) for step in steps],
        {"detector": ProcessedSession(Detector(inputs=(TensorSpec("x", "FP32", (1, -1, 5)),)), processing)},
        {"detector": processing},
    )
    assert [(spec.name, spec.shape) for spec in session.inputs] == [("x", (1, -1, 5)), ("sequence", (1,))]
    assert session.provider == "CPU"

    def ids(*rows: Sequence[float]) -> list[int]:
        found: Array = np.array([rows], np.float32).reshape(1, -1, 5)
        followed: list[int] = session.run({"x": found, "sequence": np.array([4])}, ["follow.id"])[0].tolist()
        return followed

    assert ids([*LEFT, 0.9], [*RIGHT, 0.8]) == [1, 2]
    assert ids([*RIGHT, 0.1]) == []
    assert ids([*RIGHT, 0.9], [*LEFT, 0.8]) == [2, 1]
