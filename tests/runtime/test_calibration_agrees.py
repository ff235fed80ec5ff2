"""A threshold chosen by `kubectl edgewise calibrate` means the same to the device that decides by it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from edgewise.api.confidence import Confidence, Method
from edgewise.api.escalation import EscalationWhen
from edgewise.cli.calibration.judging import Setting, confidence, judge
from edgewise.cli.calibration.samples import Samples, checked
from edgewise.cli.inference import Model
from edgewise.cli.lines import straight
from edgewise_runtime.engines import load
from edgewise_runtime.engines.base import EngineOptions
from edgewise_runtime.models import ServedModel
from examples.models.language import train
from examples.models.language.data import Texts, read_held_out
from tests.cloud.triton import started_triton
from tests.runtime import tinytflite
from tests.runtime.helped import plan
from tests.runtime.serving import numbers, running, served


@pytest.mark.parametrize("method", ["SoftmaxMax", "Margin", "Entropy"])
async def test_the_device_is_as_sure_of_an_answer_as_calibrate_takes_it_to_be(method: Method) -> None:
    text = read_held_out(train.HELD_OUT).text[:20]
    logits = train.infer(train.HERE / train.EDGE, text)
    expected = confidence(Samples(logits.astype(float), np.zeros(20, np.int64)), method, 1.99)
    measured = Confidence(output="logits", method=method, temperature="1.99")
    async with running(served(train.HERE / train.EDGE, "language", confidence=measured)) as device:
        for row, sure in zip(text, expected, strict=True):
            status, body = await device.infer("language", {"inputs": [numbers("text", row[None], "UINT8")]})
            assert status == 200
            assert body["parameters"]["edgewise_confidence"] == pytest.approx(sure, abs=1e-6)


async def test_logits_asked_for_are_those_the_engine_gives() -> None:
    text = read_held_out(train.HELD_OUT).text[:150]
    async with running(served(train.HERE / train.EDGE, "language")) as device:
        model = Model(straight(f"http://{device.address}"), "language", local=True)
        asked = await asyncio.to_thread(model.logits, {"text": text}, "")
    assert asked == pytest.approx(train.infer(train.HERE / train.EDGE, text), abs=1e-5)


async def test_a_quantised_model_of_one_row_is_asked_row_by_row_for_the_numbers_its_integers_stand_for(
    tmp_path: Path,
) -> None:
    session = load(tinytflite.quantized(tmp_path), "TFLite", EngineOptions("LiteRT", threads=1))
    raw = np.array([[10, 12, 14, 30], [10, 10, 10, 12]], np.int8)  # halves from 10 on; y = 2 x
    async with running(ServedModel("small", "1", "int8", session)) as device:
        model = Model(straight(f"http://{device.address}"), "small", local=True)
        asked = await asyncio.to_thread(model.logits, {"x": raw}, "")
    assert asked.tolist() == [[0, 2, 4, 20], [0, 0, 0, 2]]


async def test_an_unsure_device_is_asked_for_its_own_answers_and_not_its_targets() -> None:
    text = read_held_out(train.HELD_OUT).text[:50]
    modest = Confidence(output="logits", method="SoftmaxMax")
    async with (
        running(served(train.HERE / train.EDGE, "language")) as other,
        running(served(train.HERE / train.CLOUD, "language", confidence=modest)) as device,
    ):
        unsure = EscalationWhen(confidence_below="1.0")
        device.server.configure(None, plan(f"http://{other.address}", model="language", when=unsure))
        clients = [await device.infer("language", {"inputs": [numbers("text", row[None], "UINT8")]}) for row in text]
        assert "target:t0" in {body["parameters"]["edgewise_source"] for _, body in clients}
        model = Model(straight(f"http://{device.address}"), "language", local=True)
        asked = await asyncio.to_thread(model.logits, {"text": text}, "logits")
    assert asked == pytest.approx(train.infer(train.HERE / train.CLOUD, text), abs=1e-5)


async def test_a_device_with_a_real_triton_to_ask_does_what_was_promised_of_both_together() -> None:
    held, setting = read_held_out(train.HELD_OUT), Setting("SoftmaxMax", 1.99, 0.954793)
    held = Texts(held.text[::4], held.labels[::4])
    edge, cloud = (train.infer(train.HERE / file, held.text) for file in (train.EDGE, train.CLOUD))
    promised = judge(setting, checked(edge, held.labels, cloud))
    measured = Confidence(output="logits", method="SoftmaxMax", temperature="1.99")
    with started_triton({"big": train.HERE / train.CLOUD}) as triton:
        async with running(served(train.HERE / train.EDGE, "language", confidence=measured)) as device:
            below = EscalationWhen(confidence_below="0.954793")
            device.server.configure(None, plan(triton.url, model="big", when=below))
            answers = [
                await device.infer("language", {"inputs": [numbers("text", row[None], "UINT8")]}) for row in held.text
            ]
    right = [
        int(np.argmax(body["outputs"][0]["data"])) == label
        for (_, body), label in zip(answers, held.labels, strict=True)
    ]
    asked = [body["parameters"]["edgewise_source"] == "target:t0" for _, body in answers]
    assert promised.together is not None
    assert (np.mean(asked), np.mean(right)) == pytest.approx((promised.offload, promised.together.value))
