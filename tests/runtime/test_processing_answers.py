"""Tensors to answers: each step against a slow and plain way to say the same."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from edgewise.api.processing import NonMaximumSuppression, TextBoxes
from edgewise_runtime.engines.base import Array
from edgewise_runtime.processing import boxes, classes, ctc, textboxes
from edgewise_runtime.processing.rectangles import Rectangle, around
from edgewise_runtime.processing.regions import Runs, regions

LOGITS = npst.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 6)), elements=st.floats(-80, 80, width=32))
ANYTHING = npst.arrays(np.float32, st.tuples(st.integers(1, 3), st.integers(1, 5)), elements=st.floats(width=32))


class TestClasses:
    @given(LOGITS)
    def test_softmax_is_its_formula(self, logits: Array) -> None:
        for row, found in zip(logits.tolist(), classes.softmax(logits).tolist(), strict=True):
            total = math.fsum(math.exp(value) for value in row)
            assert found == pytest.approx([math.exp(value) / total for value in row], rel=1e-4, abs=1e-7)

    @given(LOGITS)
    def test_sigmoid_is_its_formula(self, logits: Array) -> None:
        expected = [1 / (1 + math.exp(-value)) for value in logits.ravel().tolist()]
        assert classes.sigmoid(logits).ravel().tolist() == pytest.approx(expected, rel=1e-4, abs=1e-6)

    @pytest.mark.filterwarnings("ignore:overflow")
    @given(ANYTHING)
    def test_no_number_is_too_strange(self, logits: Array) -> None:
        assert classes.softmax(logits).shape == classes.sigmoid(logits).shape == logits.shape

    @given(LOGITS, st.integers(1, 6))
    def test_the_best_classes_are_those_of_a_sort(self, scores: Array, k: int) -> None:
        found, best = classes.top_k(scores, k)
        for row, places, values in zip(scores.tolist(), found.tolist(), best.tolist(), strict=True):
            expected = sorted(range(len(row)), key=lambda place: -row[place])[:k]
            assert places == expected
            assert values == [row[place] for place in expected]

    def test_a_class_without_a_label_is_its_number(self) -> None:
        assert classes.named(np.array([[0, 2]]), [b"cat"]).tolist() == [[b"cat", b"2"]]


def corners(draw: st.DrawFn) -> list[float]:
    x, y = draw(st.integers(0, 40)), draw(st.integers(0, 40))
    return [x, y, x + draw(st.integers(0, 20)), y + draw(st.integers(0, 20))]


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Array, Array]:
    """Boxes [m, 4] on a grid, so that they often overlap, and scores [m, 2]."""
    count = draw(st.integers(0, 12))
    some = [corners(draw) for _ in range(count)]
    scores = draw(npst.arrays(np.float32, (count, 2), elements=st.integers(0, 20).map(lambda n: n / 20)))
    return np.array(some, np.float32).reshape(-1, 4), scores


class TestBoxes:
    @given(scenes(), st.sampled_from(["0.3", "0.5", "0"]), st.integers(1, 5))
    def test_those_that_are_kept_are_those_of_a_slow_and_plain_loop(
        self, scene: tuple[Array, Array], iou: str, limit: int
    ) -> None:
        options = NonMaximumSuppression(min_score="0.25")
        best = boxes.candidates(*scene, options)
        kept = boxes.suppressed(best, float(iou), limit)
        assert [list(box) for box in kept.corners] == [list(box) for box in _slowly(best, float(iou), limit)]

    def test_boxes_of_different_classes_may_overlap(self) -> None:
        same = np.array([[0, 0, 9, 9], [0, 0, 9, 9]], np.float32)
        scores = np.array([[0.9, 0.1], [0.1, 0.8]], np.float32)
        kept = boxes.suppressed(boxes.candidates(same, scores, NonMaximumSuppression()), 0.5, 10)
        assert kept.classes.tolist() == [0, 1]

    def test_middle_and_size_become_corners(self) -> None:
        middle = np.array([[10, 20, 4, 6]], np.float32)
        found = boxes.candidates(middle, np.ones((1, 1), np.float32), NonMaximumSuppression(coordinates="CentreSize"))
        assert found.corners.tolist() == [[8, 17, 12, 23]]

    def test_objectness_multiplies(self) -> None:
        scores = np.array([[0.5, 0.9, 0.1]], np.float32)
        found = boxes.candidates(np.zeros((1, 4), np.float32), scores, NonMaximumSuppression(objectness=True))
        assert (found.scores.tolist(), found.classes.tolist()) == ([pytest.approx(0.45)], [0])

    def test_objectness_multiplies_the_score_and_not_the_class_that_a_model_names(self) -> None:
        scores = np.array([[0.5, 0.9, 7]], np.float32)
        options = NonMaximumSuppression(objectness=True, scoring="Best")
        found = boxes.candidates(np.zeros((1, 4), np.float32), scores, options)
        assert (found.scores.tolist(), found.classes.tolist()) == ([pytest.approx(0.45)], [7])

    @pytest.mark.parametrize(("numbers", "scores"), [(3, 0), (4, 0)])
    def test_too_few_numbers_are_no_boxes(self, numbers: int, scores: int) -> None:
        with pytest.raises(ValueError, match=f"1 scores; the model gave {numbers} and {scores}: see nms.layout"):
            boxes.candidates(np.zeros((2, numbers)), np.zeros((2, scores)), NonMaximumSuppression())

    def test_a_model_that_names_the_class_itself_is_believed(self) -> None:
        scores = np.array([[0.9, 3], [0.8, 5], [np.nan, 1], [0.7, np.nan]], np.float32)
        found = boxes.candidates(np.zeros((4, 4), np.float32), scores, NonMaximumSuppression(scoring="Best"))
        assert (found.scores.tolist(), found.classes.tolist()) == (pytest.approx([0.9, 0.8, 0.7]), [3, 5, 0])

    @pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
    @given(
        npst.arrays(np.float32, (4, 4), elements=st.floats(width=32)),
        npst.arrays(np.float32, (4, 2), elements=st.floats(width=32)),
    )
    def test_no_number_is_too_strange(self, corners_: Array, scores: Array) -> None:
        options = NonMaximumSuppression(coordinates="CentreSize", objectness=True)
        kept = boxes.suppressed(boxes.candidates(corners_, scores, options), 0.5, 10)
        assert len(kept.corners) == len(kept.scores) == len(kept.classes)


def _slowly(found: boxes.Found, iou: float, limit: int) -> list[Array]:
    kept: list[int] = []
    for index in range(len(found.corners)):
        rivals = [other for other in kept if found.classes[other] == found.classes[index]]
        if all(_iou(found.corners[index], found.corners[other]) <= iou for other in rivals):
            kept.append(index)
    return [found.corners[index] for index in kept[:limit]]


def _iou(a: Array, b: Array) -> float:
    """By counting unit squares: all corners are whole numbers here."""
    one, other = _squares(a), _squares(b)
    return len(one & other) / len(one | other) if one | other else 0.0


def _squares(box: Array) -> set[tuple[int, int]]:
    left, top, right, bottom = box.astype(int).tolist()
    return {(x, y) for x in range(left, right) for y in range(top, bottom)}


class TestText:
    @pytest.mark.parametrize(
        ("steps", "expected"),
        [
            pytest.param([1, 2, 3], b"abc", id="one step a character"),
            pytest.param([1, 1, 1, 2], b"ab", id="a character over several steps"),
            pytest.param([1, 0, 1], b"aa", id="a blank between doubles"),
            pytest.param([0, 0], b"", id="nothing"),
            pytest.param([1, 4, 2], b"a b", id="a space, the class after the last label"),
            pytest.param([5, 1], b"a", id="a class that has no character"),
        ],
    )
    def test_steps_are_read(self, steps: list[int], expected: bytes) -> None:
        scores = np.eye(6, dtype=np.float32)[steps][None] * 0.5
        (text,), (score,) = ctc.decode(scores, [b"a", b"b", b"c", b" "])
        assert (text, score) == (expected, 0.5 if expected else 0.0)

    def test_rows_are_read_by_themselves(self) -> None:
        scores = np.eye(3, dtype=np.float32)[[[1, 2], [2, 2]]]
        assert ctc.decode(scores, [b"\xc3\xa4", b"b"])[0].tolist() == ["äb".encode(), b"b"]

    @given(
        npst.arrays(
            np.float32, st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4)), elements=st.floats(width=32)
        )
    )
    def test_no_number_is_too_strange(self, scores: Array) -> None:
        texts, chances = ctc.decode(scores, [b"a", b"b", b"c"])
        assert len(texts) == len(chances) == len(scores)


BITMAPS = npst.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))


class TestRegions:
    @settings(max_examples=300)
    @given(BITMAPS)
    def test_they_are_those_of_a_flood(self, bitmap: NDArray[np.bool_]) -> None:
        found = {frozenset(_cells(region)) for region in regions(bitmap, 100, 1)}
        assert found == set(_flooded(bitmap))

    @given(BITMAPS)
    def test_the_largest_come_first_and_no_more_than_wanted(self, bitmap: NDArray[np.bool_]) -> None:
        sizes = [len(_cells(region)) for region in regions(bitmap, 2, 1)]
        assert sizes == sorted((len(cells) for cells in _flooded(bitmap)), reverse=True)[:2]

    def test_thin_ones_are_noise(self) -> None:
        bitmap = np.zeros((6, 20), bool)
        bitmap[1, 2:18] = True
        assert list(regions(bitmap, 10, 3)) == []


def _cells(region: Runs) -> set[tuple[int, int]]:
    rows = zip(region.row.tolist(), region.start.tolist(), region.end.tolist(), strict=True)
    return {(row, column) for row, start, end in rows for column in range(start, end)}


def _flooded(bitmap: NDArray[np.bool_]) -> Iterator[frozenset[tuple[int, int]]]:
    left = set(zip(*(axis.tolist() for axis in np.nonzero(bitmap)), strict=True))
    while left:
        pending, region = [left.pop()], set()
        while pending:
            row, column = pending.pop()
            region.add((row, column))
            near = {(row + a, column + b) for a in (-1, 0, 1) for b in (-1, 0, 1)} & left
            left -= near
            pending.extend(near)
        yield frozenset(region)


class TestRectangles:
    @settings(max_examples=200)
    @given(BITMAPS.filter(lambda bitmap: bool(bitmap.any())))
    def test_all_points_lie_inside_and_no_turned_one_is_smaller(self, bitmap: NDArray[np.bool_]) -> None:
        region = next(regions(bitmap, 1, 1))
        box, points = around(region), np.array(sorted(_cells(region)), float)[:, ::-1]
        aside = points - box.centre
        assert (np.abs(aside @ box.along) <= box.width / 2 + 1e-6).all()
        assert (np.abs(aside @ box.across) <= box.height / 2 + 1e-6).all()
        for angle in np.linspace(0, np.pi / 2, 91):
            turned = points @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            assert box.width * box.height <= np.prod(np.ptp(turned, axis=0)) + 1e-6

    def test_its_corners_go_clockwise_from_the_top_left(self) -> None:
        box = Rectangle(np.array([10.0, 20.0]), np.array([1.0, 0.0]), 8.0, 4.0)
        assert box.corners().tolist() == [[6, 18], [14, 18], [14, 22], [6, 22]]
        assert box.grown(1).corners().tolist() == [[5, 17], [15, 17], [15, 23], [5, 23]]


def _map(*blocks: tuple[int, int, int, int], chance: float = 0.9, shape: tuple[int, int] = (60, 100)) -> Array:
    """Blocks of text: left, top, right, bottom."""
    chances = np.full(shape, 0.01, np.float32)
    for left, top, right, bottom in blocks:
        chances[top:bottom, left:right] = chance
    return chances


class TestTextBoxes:
    def test_a_block_is_found_and_drawn_out(self) -> None:
        quads, scores = textboxes.find(_map((20, 30, 60, 40)), TextBoxes(unclip="1.0"))
        width, height = 39, 9
        out = width * height / (2 * (width + height))
        left, top, right, bottom = 20 - out, 30 - out, 59 + out, 39 + out
        assert quads[0] == pytest.approx(
            np.array([[left, top], [right, top], [right, bottom], [left, bottom]]), abs=1e-4
        )
        assert scores[0] > 0.85

    def test_lines_come_in_reading_order(self) -> None:
        quads, _ = textboxes.find(_map((60, 41, 90, 50), (10, 40, 40, 50), (10, 5, 40, 15)), TextBoxes())
        assert [(round(q[:, 0].min()), round(q[:, 1].min())) for q in quads] == sorted(
            ((round(q[:, 0].min()), round(q[:, 1].min())) for q in quads), key=lambda at: (at[1] // 20, at[0])
        )
        assert len(quads) == 3

    def test_text_that_runs_downwards_begins_at_its_upper_right_corner(self) -> None:
        quads, _ = textboxes.find(_map((40, 5, 50, 55)), TextBoxes(unclip="0.1"))
        assert quads[0][0][0] > quads[0][3][0]
        assert abs(quads[0][0][1] - quads[0][3][1]) < 1

    def test_turned_text_gets_a_turned_box(self) -> None:
        y, x = np.mgrid[0:80, 0:120]
        along, across = (x - 60) * np.cos(0.3) + (y - 40) * np.sin(0.3), (y - 40) * np.cos(0.3) - (x - 60) * np.sin(0.3)
        chances = ((np.abs(along) < 30) & (np.abs(across) < 5)).astype(np.float32)
        (quad,), _ = textboxes.find(chances, TextBoxes(unclip="0.1"))
        direction = quad[1] - quad[0]
        assert math.atan2(direction[1], direction[0]) == pytest.approx(0.3, abs=0.05)

    @pytest.mark.parametrize(
        ("chances", "options"),
        [
            pytest.param(_map(), {}, id="an empty map"),
            pytest.param(_map((1, 1, 40, 20), chance=0.4), {}, id="a faint block"),
            pytest.param(_map((1, 1, 3, 3)), {}, id="a speck"),
            pytest.param(np.full((5, 5), np.nan, np.float32), {}, id="a map of nothing"),
        ],
    )
    def test_nothing_is_found_in(self, chances: Array, options: dict[str, Any]) -> None:
        quads, scores = textboxes.find(chances, TextBoxes(**options))
        assert (quads.shape, scores.shape) == ((0, 4, 2), (0,))

    def test_noise_all_over_the_map_is_cut_short(self) -> None:
        noise = np.random.default_rng(1).random((200, 200)).astype(np.float32)
        assert len(textboxes.find(noise, TextBoxes(threshold="0.6", min_score="0.1", limit=20))[0]) <= 20

    @settings(max_examples=100)
    @given(npst.arrays(np.float32, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.floats(width=32)))
    def test_no_number_is_too_strange(self, chances: Array) -> None:
        with np.errstate(all="ignore"):
            quads, scores = textboxes.find(chances, TextBoxes(min_score="0"))
        assert len(quads) == len(scores)
