"""Chains of models: what one finds is cut out for the next, and the whole answers as one model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgewise_runtime.engines.base import (
    InputRefusedError,
    TensorSpec,
)
from edgewise_runtime.engines.traits import traits_of
from edgewise_runtime.models import ServedModel
from edgewise_runtime.pipeline import batches
from tests.runtime import tinyonnx
from tests.runtime.chains import (
    COLOUR,
    FIND,
    FINDER,
    FOUR,
    NAME,
    TWO_COLOURS,
    Members,
    ask,
    chain,
    finder_and_colour,
    model,
)
from tests.runtime.echo import Echo
from tests.runtime.photos import encoded, plain, tensor
from tests.runtime.serving import running


@pytest.fixture
def models(tmp_path: Path) -> Members:
    return finder_and_colour(tmp_path)


class TestAChain:
    def test_what_is_found_is_cut_out_and_named(self, models: Members) -> None:
        session = chain(models, FIND, NAME)
        boxes, labels, items = ask(session, "find.boxes", "name.label", "name.item", image=tensor(encoded(TWO_COLOURS)))
        assert boxes == [[0, 0, 20, 20], [20, 0, 40, 20]]
        assert (labels, items) == ([[b"red"], [b"blue"]], [0, 1])

    def test_pictures_of_different_sizes_may_come_together(self, models: Members) -> None:
        pictures = tensor(encoded(TWO_COLOURS), encoded(plain(3, 90, (0, 255, 0))), encoded(TWO_COLOURS.rotate(180)))
        images, labels = ask(chain(models, FIND, NAME), "find.image", "name.label", image=pictures)
        assert images == [0, 0, 1, 1, 2, 2]
        assert labels == [[b"red"], [b"blue"], [b"green"], [b"green"], [b"blue"], [b"red"]]

    def test_only_sure_boxes_go_on(self, models: Members) -> None:
        session = chain(models, FIND, {**NAME, "when": {"minScore": "0.8"}})
        labels, items = ask(session, "name.label", "name.item", image=tensor(*[encoded(TWO_COLOURS)] * 2))
        assert (labels, items) == ([[b"red"], [b"red"]], [0, 2])

    def test_only_boxes_of_some_labels_go_on(self, tmp_path: Path, models: Members) -> None:
        models = {**models, "colour": model(tinyonnx.colours(tmp_path), {**COLOUR, "labels": ["red", "grün", "blå"]})}
        then = {"name": "again", "model": "finder", "from": "name", "when": {"labels": ["blå", "black"]}}
        images, items = ask(
            chain(models, FIND, NAME, then), "again.image", "again.item", image=tensor(encoded(TWO_COLOURS))
        )
        assert (images, items) == ([0, 0], [1])

    def test_nothing_found_is_no_rows_and_no_failure(self, models: Members) -> None:
        session = chain(models, FIND, {**NAME, "when": {"minScore": "1"}})
        names = [spec.name for spec in session.outputs]
        answers = dict(zip(names, session.run({"image": tensor(encoded(TWO_COLOURS))}, names), strict=True))
        assert answers["name.label"].shape == (0, 1)
        assert answers["name.label"].dtype == object
        assert answers["name.item"].shape == (0,)

    def test_a_step_that_affords_few_pixels_takes_fewer_pieces_at_once(self, tmp_path: Path, models: Members) -> None:
        few = {**COLOUR, "pre": [{"decodeImage": {"maxPixels": 2 * 4 * 4}}, *FOUR[1:]]}
        session = chain({**models, "colour": model(tinyonnx.colours(tmp_path), few)}, FIND, NAME)
        labels = ask(session, "name.label", image=tensor(*[encoded(TWO_COLOURS)] * 3))[0]
        assert labels == [[b"red"], [b"blue"]] * 3

    def test_more_boxes_than_fit_one_run(self, tmp_path: Path) -> None:
        columns = np.array([[x / 5, 0, (x + 1) / 5, 8, 0.9] for x in range(40)])
        many = {**FINDER, "post": [{"nms": {"iou": "1"}}]}
        models = {
            "finder": model(tinyonnx.finder(tmp_path, columns), many),
            "colour": model(tinyonnx.colours(tmp_path, 1), COLOUR),
        }
        labels, items, boxes = ask(
            chain(models, FIND, NAME), "name.label", "name.item", "find.boxes", image=tensor(encoded(TWO_COLOURS))
        )
        assert len(labels) > batches.AT_ONCE
        assert items == list(range(len(boxes)))
        assert labels == [[b"red"] if left < 20 else [b"blue"] for left, *_ in boxes]

    def test_every_output_is_as_the_metadata_says(self, models: Members) -> None:
        session = chain(models, FIND, NAME)
        specs = [*session.outputs, *traits_of(session).hidden]
        answers = session.run({"image": tensor(encoded(TWO_COLOURS))}, [spec.name for spec in specs])
        for spec, array in zip(specs, answers, strict=True):
            assert len(spec.shape) == array.ndim
            assert all(want in (-1, have) for want, have in zip(spec.shape, array.shape, strict=True))
        assert session.inputs == (TensorSpec("image", "BYTES", (-1,)),)
        assert [spec.name for spec in traits_of(session).hidden] == ["find.found", "name.logits"]

    def test_steps_that_nobody_asked_about_are_left_out(self, models: Members) -> None:
        session = chain(models, FIND, NAME)
        ask(session, "find.score", image=tensor(encoded(TWO_COLOURS)))
        assert {name: timing.runs for name, timing in session.timings.items()} == {"find": 1, "name": 0}

    def test_tensors_of_different_sizes_are_had_one_picture_at_a_time(self, tmp_path: Path) -> None:
        anyhow: dict[str, Any] = {"pre": [{"decodeImage": {}}, {"toTensor": {}}]}
        echo = {"echo": model(tinyonnx.echo(tmp_path, "FP32", ["n", 3, "h", "w"]), anyhow)}
        session, pictures = chain(echo, {"name": "look", "model": "echo"}), [encoded(plain(4, 4)), encoded(plain(5, 4))]
        assert session.run({"image": tensor(pictures[1])}, ["look.y"])[0].shape == (1, 3, 4, 5)
        with pytest.raises(InputRefusedError, match="y has another size for each of these pictures"):
            ask(session, "look.y", image=tensor(*pictures))

    def test_a_bad_picture_is_the_clients_fault(self, models: Members) -> None:
        with pytest.raises(InputRefusedError, match="picture 0 is no JPEG"):
            ask(chain(models, FIND, NAME), "name.label", image=tensor(b"?"))

    def test_a_picture_that_a_model_is_sure_is_turned_is_turned_back(self, tmp_path: Path) -> None:
        """Red above green is called 180 with a score of 0.67; what is then cut from the top tells whether it was."""
        turned = {"turned": model(tinyonnx.colours(tmp_path), {**COLOUR, "labels": ["0", "180", "90"]})}
        top_half = {"finder": model(tinyonnx.finder(tmp_path, np.array([[0, 0, 8, 4, 0.9]])), FINDER)}
        angle = {"name": "angle", "model": "turned"}
        name = {"name": "name", "model": "turned", "from": "top", "crop": "boxes"}
        rows = np.array([[[255, 0, 0]], [[0, 255, 0]], [[0, 255, 0]]], np.uint8).repeat(3, axis=1)
        for least, expected in (("0.6", b"180"), ("0.7", b"0")):
            top = {"name": "top", "model": "finder", "from": "angle", "turn": {"minScore": least}}
            session = chain({**turned, **top_half}, angle, top, name)
            angles, tops = ask(session, "angle.label", "name.label", image=tensor(encoded(Image.fromarray(rows))))
            assert (angles, tops) == ([[b"180"]], [[expected]])


class TestTensorsInAChain:
    def test_the_only_output_becomes_the_only_input(self, tmp_path: Path, models: Members) -> None:
        head = {"head": model(tinyonnx.linear(tmp_path, np.eye(3) * 2), {"post": [{"topK": {"output": "logits"}}]})}
        look = {"name": "look", "model": "eyes"}
        eyes = {"eyes": model(tinyonnx.colours(tmp_path), {"pre": FOUR})}
        session = chain({**eyes, **head}, look, {"name": "judge", "model": "head", "from": "look"})
        scores, items = ask(session, "judge.score", "judge.item", image=tensor(encoded(plain(4, 4, (0, 255, 0)))))
        assert (scores, items) == ([[2.0]], [0])

    def test_outputs_become_inputs_of_the_same_name_and_others_come_from_the_request(self, tmp_path: Path) -> None:
        difference = {"subtract": model(tinyonnx.subtract(tmp_path), None)}
        named = {"echo": (Echo("b"), None)}
        session = chain(
            {**named, **difference}, {"name": "e", "model": "echo"}, {"name": "s", "model": "subtract", "from": "e"}
        )
        assert [spec.name for spec in session.inputs] == ["x", "a"]
        assert ask(session, "s.difference", x=np.array([1, 2], np.float32), a=np.array([5, 5], np.float32)) == [[4, 3]]


async def test_a_scrape_tells_how_long_each_step_takes(models: Members) -> None:
    session = chain(models, FIND, NAME)
    ask(session, "name.label", image=tensor(encoded(TWO_COLOURS)))
    async with running(ServedModel("both", "1", "pipeline", session)) as device:
        for step in ("find", "name"):
            labels = f'{{model="both",step="{step}",version="1"}}'
            assert await device.metric(f"edgewise_pipeline_step_seconds_count{labels}") == 1
            assert await device.metric(f"edgewise_pipeline_step_seconds_sum{labels}") > 0
