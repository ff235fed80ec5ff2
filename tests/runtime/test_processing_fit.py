"""What pictures and tensors become on the way through a model's steps: their sizes, and what their numbers are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.api.processing import PostStep, PreStep, Processing
from edgewise_runtime.engines import load
from edgewise_runtime.engines.base import EngineOptions, InputRefusedError, ModelLoadError, TensorSpec
from edgewise_runtime.processing import images, processed
from edgewise_runtime.processing.pictures import Picture
from edgewise_runtime.processing.readers import reader
from edgewise_runtime.processing.session import ProcessedSession
from edgewise_runtime.protocol.datatypes import dtype_of
from tests.runtime import tinyonnx
from tests.runtime.photos import encoded, plain, tensor

DECODE: dict[str, Any] = {"decodeImage": {}}
TENSOR: dict[str, Any] = {"toTensor": {}}
SQUARE: dict[str, Any] = {"resize": {"width": 4, "height": 4}}


def wrapped(path: Path, **spec: Any) -> ProcessedSession:
    session = processed(load(path, "ONNX", EngineOptions(threads=1)), Processing.model_validate(spec))
    assert isinstance(session, ProcessedSession)
    return session


def step(**members: Any) -> PreStep:
    return PreStep.model_validate(members)


LARGE = [
    pytest.param({"resize": {"width": 4096, "height": 4096}}, id="stretched"),
    pytest.param({"resize": {"width": 4096, "height": 4096, "fit": "Cover"}}, id="covering"),
    pytest.param({"crop": {"width": 4096, "height": 4096}}, id="cropped beyond their edges"),
    pytest.param({"pad": {"width": 4096, "height": 4096}}, id="padded"),
]
SIDES = st.integers(1, 40)
STEPS = st.lists(
    st.one_of(
        st.builds(
            lambda width, height, fit, multiple: step(
                resize={"width": width, "height": height, "fit": fit, "multipleOf": multiple}
            ),
            SIDES, SIDES, st.sampled_from(["Stretch", "Cover", "Within", "Height"]), st.integers(1, 9),
        ),
        st.builds(lambda width, height: step(crop={"width": width, "height": height}), SIDES, SIDES),
        st.builds(lambda multiple: step(pad={"multipleOf": multiple}), st.integers(1, 9)),
        st.builds(lambda height, multiple: step(pad={"height": 900 + height, "multipleOf": multiple}), SIDES, SIDES),
    ),
    max_size=4,
)  # fmt: skip


class TestSizes:
    @pytest.mark.parametrize("large", LARGE)
    def test_pictures_of_a_few_bytes_do_not_become_gigabytes_on_the_way(
        self, tmp_path: Path, large: dict[str, Any]
    ) -> None:
        session = wrapped(tinyonnx.colours(tmp_path), pre=[DECODE, large, SQUARE, TENSOR])
        with pytest.raises(InputRefusedError, match=r"come to 33554432 pixels, more than .*maxPixels \(16777216\)"):
            session.run({"pixels": tensor(*[encoded(plain(1, 1))] * 2)}, ["logits"])

    def test_a_very_narrow_picture_is_refused_rather_than_blown_up(self, tmp_path: Path) -> None:
        cover = {"resize": {"width": 640, "height": 640, "fit": "Cover"}}
        session = wrapped(tinyonnx.colours(tmp_path), pre=[DECODE, cover, SQUARE, TENSOR])
        with pytest.raises(InputRefusedError, match="none that is very narrow"):
            session.run({"pixels": tensor(encoded(plain(1, 100)))}, ["logits"])

    def test_steps_that_would_refuse_every_picture_are_refused_at_load(self, tmp_path: Path) -> None:
        small = {"decodeImage": {"maxPixels": 15}}
        with pytest.raises(ModelLoadError, match=r"of 4 x 4 pixels, more than its decodeImage\.maxPixels of 15"):
            wrapped(tinyonnx.colours(tmp_path), pre=[small, SQUARE, TENSOR])

    @given(STEPS, st.integers(1, 30), st.integers(1, 30))
    def test_what_is_said_of_sizes_beforehand_comes_true(self, steps: list[PreStep], width: int, height: int) -> None:
        batch = [Picture.whole(plain(width, height)), Picture.whole(plain(height, width))]
        for one in steps:
            try:
                said, batch = images.sizes(one, batch), images.applied(one, batch)
            except InputRefusedError:
                return
            assert said == [picture.image.size for picture in batch]
        for side, wanted in enumerate(images.final_size(steps)):
            assert wanted in (None, batch[0].image.size[side])


class TestNumbers:
    @pytest.mark.parametrize("datatype", ["FP16", "FP64", "INT64", "BF16"])
    def test_probabilities_are_real_numbers_whatever_the_logits_are(self, tmp_path: Path, datatype: str) -> None:
        session = wrapped(tinyonnx.echo(tmp_path, datatype, ["n", 2]), post=[{"softmax": {}}])
        assert session.outputs == (TensorSpec("y", "FP32", (-1, 2)),)
        (chances,) = session.run({"x": np.zeros((1, 2), dtype_of(datatype))}, ["y"])
        assert chances.dtype == np.dtype(np.float32)
        assert chances.tolist() == [[0.5, 0.5]]

    @pytest.mark.parametrize("datatype", ["BOOL", "BYTES"])
    def test_what_is_no_number_has_no_probabilities(self, tmp_path: Path, datatype: str) -> None:
        with pytest.raises(ModelLoadError, match=f"softmax.output needs numbers; the model gives y {datatype}"):
            wrapped(tinyonnx.echo(tmp_path, datatype, ["n", 2]), post=[{"softmax": {}}])

    @pytest.mark.parametrize(
        ("datatype", "says"),
        [("INT8", "INT8, which ends at 127; add normalise"), ("BOOL", "four dimensions of numbers")],
    )
    def test_pixels_that_the_model_cannot_take_are_refused_rather_than_cut_off(
        self, tmp_path: Path, datatype: str, says: str
    ) -> None:
        with pytest.raises(ModelLoadError, match=says):
            wrapped(tinyonnx.echo(tmp_path, datatype, ["n", 3, 4, 4]), pre=[DECODE, SQUARE, TENSOR])


class TestBoxesAndTheirScores:
    @pytest.mark.parametrize(
        ("scores", "options"),
        [
            pytest.param((3, 1), {"scoring": "Best"}, id="a score and no class"),
            pytest.param((3, 1), {"objectness": True}, id="objectness and no score"),
            pytest.param((1, 3), {"layout": "Columns", "scoring": "Best"}, id="columns"),
            pytest.param((2, 80), {}, id="for fewer boxes"),
        ],
    )
    def test_scores_that_do_not_go_with_the_boxes_are_refused_at_load(
        self, scores: tuple[int, int], options: dict[str, Any]
    ) -> None:
        corners = (4, 3) if "layout" in options else (3, 4)
        outputs = (TensorSpec("boxes", "FP32", (-1, *corners)), TensorSpec("scores", "FP32", (-1, *scores)))
        last = PostStep.model_validate({"nms": {"boxes": "boxes", "scores": "scores", **options}})
        with pytest.raises(ModelLoadError, match=r"nms\.scores: scores \[-1"):
            reader(last, outputs, [])

    def test_labels_are_as_many_as_the_classes(self) -> None:
        outputs = (TensorSpec("found", "FP32", (-1, 8400, 4 + 1 + 2)),)
        last = PostStep.model_validate({"nms": {"objectness": True}})
        assert reader(last, outputs, [b"cat", b"dog"]).gives[0].name == "label"
        with pytest.raises(ModelLoadError, match="processing has 3 labels, the model has 2 classes"):
            reader(last, outputs, [b"cat", b"dog", b"bird"])
