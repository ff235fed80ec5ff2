"""What is cut out of a picture, and turned, for the next model of a chain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgewise_runtime.pipeline import cutting
from tests.runtime.photos import gradient, pixels, plain


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_picture_is_turned_back(degrees: int) -> None:
    lying = gradient().rotate(-degrees, expand=True)
    assert (pixels(cutting.turned(lying, str(degrees))) == pixels(gradient())).all()


def test_a_box_is_cut_to_the_pixel() -> None:
    (piece,) = cutting.pieces([gradient()], np.array([0]), np.array([[2, 1, 6, 4]], np.float32))
    assert (pixels(piece) == pixels(gradient())[1:4, 2:6]).all()


def test_a_turned_quad_comes_out_upright() -> None:
    board = plain(60, 60, (10, 10, 10))
    board.paste(gradient(30, 10).resize((30, 10)), (15, 25))
    turned = board.rotate(-30, Image.Resampling.BICUBIC)
    middle, angle = np.array([30.0, 30.0]), np.pi / 6
    spin = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    quad = (np.array([[15, 25], [45, 25], [45, 35], [15, 35]]) - middle) @ spin + middle
    (piece,) = cutting.pieces([turned], np.array([0]), quad[None].astype(np.float32))
    assert piece.size == (30, 10)
    inner = np.abs(pixels(piece)[2:-2, 3:-3].astype(int) - pixels(gradient(30, 10))[2:-2, 3:-3])
    assert np.median(inner[..., :2]) < 12


@pytest.mark.parametrize(
    "corners",
    [
        pytest.param([[50, 50, 50, 50]], id="a box of no size at the edge"),
        pytest.param([[-9, -9, 900, 900]], id="a box larger than the picture"),
        pytest.param([[[3, 3]] * 4], id="a quad of one point"),
        pytest.param([[[60, 60], [70, 65], [69, 70], [59, 66]]], id="a quad beyond the edge"),
    ],
)  # fmt: skip
def test_strange_corners_give_a_small_picture(corners: list[Any]) -> None:
    (piece,) = cutting.pieces([plain(50, 50)], np.array([0]), np.array(corners, np.float32))
    assert 1 <= piece.width <= 910
    assert 1 <= piece.height <= 910


def test_boxes_of_the_whole_picture_over_and_over_do_not_fill_the_memory() -> None:
    whole = np.tile(np.array([[0, 0, 1200, 1000]], np.float32), (100, 1))
    found = cutting.pieces([plain(1200, 1000)], np.zeros(100, int), whole)
    assert len(found) * 1200 * 1000 > 2**26
    assert sum(piece.width * piece.height for piece in found) <= 2**25 * 1.1
