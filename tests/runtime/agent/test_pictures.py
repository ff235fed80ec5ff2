"""Releases whose models take pictures, and that serve a pipeline: from the plan to the answer, and from the cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewise.api.names import Reason
from edgewise.api.pipeline import PipelineStep
from edgewise.api.processing import Processing
from edgewise.contract.plan import Plan, PlanRelease
from tests.runtime import tinyonnx
from tests.runtime.agent.devices import TestDevice, device
from tests.runtime.agent.documents import plan, release, source, then
from tests.runtime.agent.fileserver import FileServer
from tests.runtime.photos import encoded, plain, tensor

WHOLE = np.array([[0, 0, 8, 8, 0.9]])
SQUARES = [
    [{"decodeImage": {}}, {"resize": {"width": side, "height": side}}, {"normalise": {}}, {"toTensor": {}}]
    for side in (8, 4)
]
FINDER: dict[str, Any] = {"pre": SQUARES[0], "post": [{"nms": {}}]}
COLOUR: dict[str, Any] = {"pre": SQUARES[1], "post": [{"topK": {}}], "labels": ["red", "green", "blue"]}
STEPS: list[dict[str, Any]] = [
    {"name": "find", "model": "finder"},
    {"name": "name", "model": "colour", "from": "find", "crop": "boxes"},
]


@pytest.fixture
def document(server: FileServer, tmp_path: Path) -> Plan:
    """Release r1: two models with their processing, and a pipeline of them under the deployment's name."""
    models = tmp_path / "models"
    models.mkdir()
    files = {"finder": tinyonnx.finder(models, WHOLE), "colour": tinyonnx.colours(models)}
    sources = {
        name: source(server.add(f"/{name}", path.read_bytes()), path.read_bytes()) for name, path in files.items()
    }
    return plan(1, changed(release("r1", sources), COLOUR, STEPS))


def changed(of: PlanRelease, colour: dict[str, Any], steps: list[dict[str, Any]], **more: Any) -> PlanRelease:
    processing = {"finder": FINDER, "colour": colour}
    models = [
        model.model_copy(update={"processing": Processing.model_validate(processing[model.name])})
        for model in of.models
    ]
    chain = [PipelineStep.model_validate(step) for step in steps]
    return of.model_copy(update={"models": models, "pipeline": chain, **more})


def answer(edge: TestDevice, model: str, output: str) -> list[Any]:
    with edge.models.acquire(model) as served:
        name = served.session.inputs[0].name
        found = served.session.run({name: tensor(encoded(plain(6, 6, (0, 0, 255))))}, [output])[0]
    return list(found.ravel())


async def test_members_and_pipeline_answer_side_by_side(document: Plan, tmp_path: Path) -> None:
    async with device(tmp_path) as edge:
        await edge.follow(document)
        await edge.until_serving("r1")
        assert set(edge.models.current()) == {"finder", "colour", "digits"}
        assert answer(edge, "colour", "label") == [b"blue"]
        assert answer(edge, "digits", "name.label") == [b"blue"]
        assert edge.models.find("digits").version == "r1"


async def test_a_restarted_device_serves_them_again_without_anybodys_help(
    document: Plan, server: FileServer, tmp_path: Path
) -> None:
    async with device(tmp_path) as edge:
        await edge.follow(document)
        await edge.until_serving("r1")
    server.files.clear()
    async with device(tmp_path) as edge:
        await edge.until_serving("r1")
        assert answer(edge, "digits", "name.label") == [b"blue"]


async def test_changed_labels_are_another_model_of_the_same_file(document: Plan, tmp_path: Path) -> None:
    async with device(tmp_path) as edge:
        await edge.follow(document)
        await edge.until_serving("r1")
        finder = edge.models.find("finder").session
        german = changed(document.releases[0], {**COLOUR, "labels": ["rot", "grün", "blau"]}, STEPS, name="r2")
        await edge.follow(then(document, plan(1, german)))
        await edge.until_serving("r2")
        assert answer(edge, "digits", "name.label") == [b"blau"]
        assert edge.models.find("finder").session is finder


async def test_a_pipeline_that_does_not_fit_its_models_leaves_the_release_before_it_alone(
    document: Plan, tmp_path: Path
) -> None:
    async with device(tmp_path) as edge:
        await edge.follow(document)
        await edge.until_serving("r1")
        wrong = changed(document.releases[0], COLOUR, [STEPS[0], {**STEPS[1], "crop": "quads"}], name="r2")
        await edge.follow(then(document, plan(1, wrong)))
        await edge.until_state("Failed", Reason.LOAD_FAILED, "finder")
        assert "crop 'quads' is no output of step find" in edge.report("finder").message
        assert answer(edge, "digits", "name.label") == [b"blue"]
