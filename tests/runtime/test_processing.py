"""A model with its processing around it: what clients see, what is refused at load, what is still there underneath."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton

from edgewise.api.confidence import Confidence
from edgewise.api.escalation import Budget, EscalationWhen
from edgewise.api.processing import Processing
from edgewise.contract.plan import PlanEscalation, PlanTarget
from edgewise_runtime.engines import load
from edgewise_runtime.engines.base import (
    Array,
    EngineOptions,
    InputRefusedError,
    ModelLoadError,
    Quantization,
    TensorSpec,
)
from edgewise_runtime.engines.traits import traits_of
from edgewise_runtime.models import ServedModel
from edgewise_runtime.processing import processed
from edgewise_runtime.processing.file import read
from edgewise_runtime.processing.session import ProcessedSession
from tests.runtime import tinyonnx
from tests.runtime.photos import encoded, plain, tensor
from tests.runtime.serving import Running, running

SQUARE: dict[str, Any] = {"resize": {"width": 4, "height": 4}}
PRE: list[dict[str, Any]] = [{"decodeImage": {}}, SQUARE, {"normalise": {}}, {"toTensor": {}}]
COLOURS = ["red", "green", "blue"]
NAMED = {"pre": PRE, "post": [{"softmax": {}}, {"topK": {"k": 2}}], "labels": COLOURS}
RED, BLUE = encoded(plain(9, 7, (255, 0, 0))), encoded(plain(5, 5, (0, 0, 255)), "JPEG")


def wrapped(path: Path, **spec: Any) -> ProcessedSession:
    session = processed(load(path, "ONNX", EngineOptions(threads=1)), Processing.model_validate(spec))
    assert isinstance(session, ProcessedSession)
    return session


class TestWhatClientsSee:
    def test_pictures_go_in_and_labels_come_out(self, tmp_path: Path) -> None:
        session = wrapped(tinyonnx.colours(tmp_path), **NAMED)
        assert session.inputs == (TensorSpec("pixels", "BYTES", (-1,)),)
        assert [(spec.name, spec.datatype, spec.shape) for spec in session.outputs] == [
            ("label", "BYTES", (-1, 2)), ("class", "INT64", (-1, 2)), ("score", "FP32", (-1, 2)),
        ]  # fmt: skip
        labels, scores = session.run({"pixels": tensor(RED, BLUE)}, ["label", "score"])
        assert labels[:, 0].tolist() == [b"red", b"blue"]
        assert scores[0, 0] == pytest.approx(np.e / (np.e + 2), abs=1e-6)

    def test_the_models_own_outputs_are_there_for_those_who_name_them(self, tmp_path: Path) -> None:
        session = wrapped(tinyonnx.colours(tmp_path), **NAMED)
        assert [spec.name for spec in traits_of(session).hidden] == ["logits"]
        logits, classes = session.run({"pixels": tensor(RED)}, ["logits", "class"])
        assert (logits.tolist(), classes.tolist()) == ([[1, 0, 0]], [[0, 1]])

    def test_a_model_for_one_picture_says_so(self, tmp_path: Path) -> None:
        session = wrapped(tinyonnx.colours(tmp_path, batch=1), **NAMED)
        assert session.inputs[0].shape == (1,)
        assert session.outputs[0].shape == (1, 2)

    def test_the_labels_may_be_in_the_models_file(self, tmp_path: Path) -> None:
        path = tinyonnx.colours(tmp_path, metadata={"names": "rot\ngrün\r\nblau\n"})
        session = wrapped(path, pre=PRE, post=[{"topK": {}}], labelsFrom="names")
        assert session.run({"pixels": tensor(BLUE)}, ["label"])[0].tolist() == [[b"blau"]]

    def test_tensors_may_go_in_and_labels_come_out(self, tmp_path: Path) -> None:
        session = wrapped(tinyonnx.linear(tmp_path, np.eye(2)), post=[{"topK": {"output": "twice"}}])
        assert [spec.name for spec in session.outputs] == ["class", "score"]
        assert session.run({"x": np.array([[1, 5]], np.float32)}, ["score"])[0].tolist() == [[10]]
        assert traits_of(session).steady
        assert traits_of(session).rows_independent

    def test_pictures_may_go_in_and_tensors_come_out(self, tmp_path: Path) -> None:
        session = wrapped(tinyonnx.colours(tmp_path), pre=PRE)
        assert [spec.name for spec in session.outputs] == ["logits"]
        assert session.run({"pixels": tensor(RED)}, ["logits"])[0].tolist() == [[1, 0, 0]]

    def test_probabilities_keep_the_outputs_name(self, tmp_path: Path) -> None:
        session = wrapped(tinyonnx.linear(tmp_path, np.eye(2)), post=[{"softmax": {"output": "logits"}}])
        chances, twice = session.run({"x": np.zeros((1, 2), np.float32)}, ["logits", "twice"])
        assert (chances.tolist(), twice.tolist()) == ([[0.5, 0.5]], [[0, 0]])

    def test_boxes_are_told_in_pixels_of_the_picture_that_was_sent(self, tmp_path: Path) -> None:
        rows = np.array([[0, 0, 4, 8, 0.9, 0.1], [0, 0, 4, 7, 0.8, 0.1], [4, 4, 8, 8, 0.2, 0.7], [0, 0, 1, 1, 0, 0.1]])
        letterbox = [{"resize": {"width": 8, "height": 8, "fit": "Within"}}, {"pad": {"width": 8, "height": 8}}]
        pre = [{"decodeImage": {}}, *letterbox, {"toTensor": {}}]
        session = wrapped(tinyonnx.finder(tmp_path, rows), pre=pre, post=[{"nms": {}}], labels=["cat", "dog"])
        assert not traits_of(session).rows_independent
        pictures = tensor(encoded(plain(80, 40)), encoded(plain(8, 8)))
        boxes, labels, images, scores = session.run({"pixels": pictures}, ["boxes", "label", "image", "score"])
        assert boxes.tolist() == [[0, 0, 40, 40], [40, 20, 80, 40], [0, 0, 4, 8], [4, 4, 8, 8]]
        assert labels.tolist() == [b"cat", b"dog"] * 2
        assert images.tolist() == [0, 0, 1, 1]
        assert scores.tolist() == pytest.approx([0.9, 0.7] * 2)

    def test_columns_and_scores_apart_are_read_the_same(self, tmp_path: Path) -> None:
        rows = np.array([[1, 2, 3, 4, 0.9], [5, 5, 6, 6, 0.1]])
        session = wrapped(tinyonnx.finder(tmp_path, rows.T), post=[{"nms": {"layout": "Columns"}}])
        pixels = np.zeros((1, 3, 8, 8), np.float32)
        assert session.run({"pixels": pixels}, ["boxes"])[0].tolist() == [[1, 2, 3, 4]]

    def test_a_picture_that_is_none_is_the_clients_fault(self, tmp_path: Path) -> None:
        with pytest.raises(InputRefusedError, match="picture 1 is no JPEG"):
            wrapped(tinyonnx.colours(tmp_path), **NAMED).run({"pixels": tensor(RED, b"?")}, ["label"])


class TestWhatIsRefusedAtLoad:
    @pytest.mark.parametrize(
        ("spec", "says"),
        [
            ({"pre": [PRE[0], PRE[-1]], "post": []}, None),
            ({"pre": [PRE[0], {"resize": {"width": 5, "height": 4}}, PRE[-1]]},
             "makes CHW tensors of [3, 4, 5] (-1: any), the model's input pixels is [-1, 3, 4, 4]"),
            ({"pre": [PRE[0], {"resize": {"width": 9, "height": 5, "fit": "Height"}}, PRE[-1]]}, "of [3, 5, -1]"),
            ({"pre": [PRE[0], SQUARE, {"toTensor": {"layout": "HWC"}}]}, "makes HWC tensors of [4, 4, 3]"),
            ({"pre": [{"decodeImage": {"colour": "Grey"}}, SQUARE, PRE[-1]]}, "makes CHW tensors of [1, 4, 4]"),
            ({"pre": PRE, "input": "picture"}, "processing.input 'picture' is none of the model's inputs: pixels"),
            ({"pre": [*PRE[:2], {"normalise": {"mean": ["1", "2"]}}, PRE[-1]]}, "normalise.mean has 2 numbers"),
            ({"post": [{"topK": {"output": "probabilities"}}]}, "topK.output 'probabilities' is none of the model's"),
            ({"post": [{"topK": {"k": 4}}]}, "topK.k is 4, the model has 3 classes"),
            ({"post": [{"topK": {}}], "labels": ["red"]}, "processing has 1 labels, the model has 3 classes"),
            ({"post": [{"nms": {}}]}, "nms.boxes needs numbers in 3 dimensions; the model gives logits FP32 [-1, 3]"),
            ({"post": [{"textBoxes": {}}]}, "textBoxes.output needs numbers in 4 dimensions"),
            ({"post": [{"ctcDecode": {}}], "labels": ["a"]}, "ctcDecode.output needs numbers in 3 dimensions"),
            ({"post": [{"topK": {}}], "labelsFrom": "names"}, "has no metadata 'names' (there: none)"),
        ],
    )  # fmt: skip
    def test_what_does_not_fit_the_model(self, tmp_path: Path, spec: dict[str, Any], says: str | None) -> None:
        path = tinyonnx.colours(tmp_path)
        if says is None:
            wrapped(path, **spec)
            return
        with pytest.raises(ModelLoadError) as caught:
            wrapped(path, **spec)
        assert says in str(caught.value)

    def test_an_output_has_to_be_named_where_there_are_several(self, tmp_path: Path) -> None:
        with pytest.raises(ModelLoadError, match=r"topK\.output has to name one of the model's outputs: logits FP32"):
            wrapped(tinyonnx.linear(tmp_path, np.eye(2)), post=[{"topK": {}}])

    def test_boxes_need_their_four_numbers(self, tmp_path: Path) -> None:
        with pytest.raises(ModelLoadError, match="has 4 numbers a box with layout Rows"):
            wrapped(tinyonnx.finder(tmp_path, np.zeros((2, 4))), post=[{"nms": {}}])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("pre: [", "while parsing a flow node expected the node content"),
        ("pre: [{resize: {width: 4}}]", "pre[0].resize.height: Field required"),
        ("pre: [{decodeImage: {}}]", "the file: pre must begin with decodeImage and end with"),
        ("[]", "the file: Input should be a valid dictionary"),
        ("pre: [{decodeImage: }, {toTensor: }]", "pre[0].decodeImage: nothing stands there; a step without parameters"),
        ("labels: [1, 2]", "labels[0]: Input should be a valid string; put it in quotes"),
        ("labels: [2026-13-01]", "month must be in 1..12"),
        ("post: [{topK: {count: 3}}]", "post[0].topK.count: there is no such field"),
        ("post: [{topK: {}}]\nlables: [cat]", "lables: there is no such field"),
    ],
)
def test_a_file_that_is_no_processing_is_refused_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "processing.yaml"
    path.write_text(text)
    with pytest.raises(ModelLoadError) as caught:
        read(path)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@dataclass
class Quantised:
    """A session as LiteRT gives it: UINT8 pictures in, UINT8 scores out, each with a meaning."""

    inputs: tuple[TensorSpec, ...] = (TensorSpec("x", "UINT8", (1, 1, 1, 3), Quantization((1 / 128,), (128,))),)
    outputs: tuple[TensorSpec, ...] = (TensorSpec("y", "UINT8", (1, 3), Quantization((0.1,), (100,))),)
    platform: str = "test"
    provider: str = "CPU"
    lost: str = ""

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        return [feeds["x"].reshape(1, 3) for _ in outputs]

    def close(self) -> None: ...


def test_numbers_of_a_quantised_model_are_written_and_read_by_their_meaning() -> None:
    spec = {
        "pre": [PRE[0], {"normalise": {"scale": "127.5", "mean": ["1"]}}, {"toTensor": {"layout": "HWC"}}],
        "post": [{"topK": {"k": 3}}],
    }
    session = processed(Quantised(), Processing.model_validate(spec))
    (scores, classes, raw) = session.run({"x": tensor(encoded(plain(1, 1, (255, 0, 128))))}, ["score", "class", "y"])
    assert raw.tolist() == [[255, 0, 129]]
    assert classes.tolist() == [[0, 2, 1]]
    assert scores[0].tolist() == pytest.approx([15.5, 2.9, -10.0], abs=1e-5)


def test_pillow_is_only_there_where_pictures_are() -> None:
    code = "import edgewise_runtime.processing.session, edgewise_runtime.agent, sys; sys.exit('PIL' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
async def eye(tmp_path: Path) -> AsyncIterator[Running]:
    session = wrapped(tinyonnx.colours(tmp_path), **NAMED)
    confidence = Confidence(output="logits", temperature="0.1")
    async with running(ServedModel("eye", "1", "test", session, confidence=confidence)) as device:
        yield device


class TestOverTheWire:
    async def test_a_picture_by_curl(self, eye: Running) -> None:
        headers = {"Inference-Header-Content-Length": "0"}
        async with eye.http.post("/v2/models/eye/infer", data=RED, headers=headers) as answer:
            body = await answer.json()
        outputs = {output["name"]: output["data"] for output in body["outputs"]}
        assert outputs["label"] == ["red", "green"]

    async def test_pictures_by_tritonclient(self, eye: Running) -> None:
        def ask() -> Any:
            with triton.InferenceServerClient(eye.address) as client:
                pictures = triton.InferInput("pixels", [2], "BYTES")
                pictures.set_data_from_numpy(tensor(BLUE, RED))
                return client.infer("eye", [pictures])

        answer = await asyncio.to_thread(ask)
        assert answer.as_numpy("label")[:, 0].tolist() == [b"blue", b"red"]
        assert answer.as_numpy("logits") is None

    async def test_the_confidence_is_that_of_the_models_own_output(self, eye: Running) -> None:
        headers = {"Inference-Header-Content-Length": "0"}
        async with eye.http.post("/v2/models/eye/infer", data=RED, headers=headers) as answer:
            body = await answer.json()
        assert body["parameters"]["edgewise_confidence"] == pytest.approx(1 / (1 + 2 * np.exp(-10)), abs=1e-4)

    async def test_a_tensor_underneath_can_be_asked_for(self, eye: Running) -> None:
        def ask() -> Any:
            with triton.InferenceServerClient(eye.address) as client:
                pictures = triton.InferInput("pixels", [1], "BYTES")
                pictures.set_data_from_numpy(tensor(RED))
                return client.infer("eye", [pictures], outputs=[triton.InferRequestedOutput("logits")])

        assert (await asyncio.to_thread(ask)).as_numpy("logits").tolist() == [[1, 0, 0]]

    async def test_metadata_tells_of_pictures_and_labels(self, eye: Running) -> None:
        async with eye.http.get("/v2/models/eye") as answer:
            body = await answer.json()
        assert body["inputs"] == [{"name": "pixels", "datatype": "BYTES", "shape": [-1]}]
        assert [output["name"] for output in body["outputs"]] == ["label", "class", "score"]

    async def test_an_unsure_device_sends_the_picture_on_and_takes_the_labels_that_come_back(
        self, eye: Running, tmp_path: Path
    ) -> None:
        unsure = Confidence(output="logits", temperature="100")
        session = wrapped(tinyonnx.colours(tmp_path), **{**NAMED, "labels": ["r", "g", "b"]})
        weak = ServedModel("eye", "1", "test", session, confidence=unsure)
        target = PlanTarget(name="cloud", url=f"http://{eye.address}")
        when = EscalationWhen(confidence_below="0.85")
        async with running(weak) as device:
            device.server.configure(
                None, PlanEscalation(targets=[target], when=when, timeout_seconds=5.0, budget=Budget())
            )
            headers = {"Inference-Header-Content-Length": "0"}
            async with device.http.post("/v2/models/eye/infer", data=RED, headers=headers) as answer:
                body = await answer.json()
        assert body["parameters"]["edgewise_source"] == "target:cloud"
        outputs = {output["name"]: output["data"] for output in body["outputs"]}
        assert set(outputs) == {"label", "class", "score"}
        assert outputs["label"] == ["red", "green"]

    @pytest.mark.parametrize("picture", [b"not a picture", RED[:40], b"\xff\xd8\xff" + bytes(2000)])
    async def test_a_bad_picture_is_answered_with_400(self, eye: Running, picture: bytes) -> None:
        headers = {"Inference-Header-Content-Length": "0"}
        async with eye.http.post("/v2/models/eye/infer", data=picture, headers=headers) as answer:
            assert answer.status == 400
            assert "picture 0 is" in (await answer.json())["error"]
