"""What runtime-images/README.md and docs/processing.md show is what the runtime prints and answers."""

from __future__ import annotations

import asyncio
import json
import re
import shlex

import numpy as np
import pytest
import yaml

from edgewise.api.processing import Processing
from edgewise_runtime import laptop
from edgewise_runtime.access import Demands
from edgewise_runtime.engines import load
from edgewise_runtime.engines.base import EngineOptions
from edgewise_runtime.models import ServedModel
from edgewise_runtime.processing import processed
from edgewise_runtime.tuning.tuner import Tuner
from tests.cluster.paths import REPOSITORY
from tests.runtime.photos import tensor
from tests.runtime.serving import running

README = (REPOSITORY / "runtime-images/README.md").read_text()
PICTURES = (REPOSITORY / "docs/processing.md").read_text()
DIGITS = REPOSITORY / "examples/models/digits/digits-int8-1.0.0.onnx"


def blocks(document: str, language: str, having: str) -> list[str]:
    """What stands between the fences."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", document, re.MULTILINE | re.DOTALL)
    return [block for block in found if having in block]


def test_serve_prints_what_the_readme_shows() -> None:
    (shown,) = blocks(README, "console", "Serving digits")
    command, printed = shown.partition("$ edgewise-runtime serve ")[2].split("\n", 1)
    path, _, name = shlex.split(command)
    served = laptop.load(REPOSITORY / path, name, None, EngineOptions(), Tuner(budget=0))
    assert laptop.welcome(served, 8000, 8001, Demands()) == printed.strip()


PROGRAMS = blocks(README, "python", "InferenceServerClient")


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: "gRPC" if "grpc" in program else "HTTP")
async def test_the_programs_in_the_readme_get_an_answer(program: str, capfd: pytest.CaptureFixture[str]) -> None:
    session = load(DIGITS, "ONNX", EngineOptions(threads=1))
    async with running(ServedModel("digits", "1", "test", session)) as device:
        here = program.replace("localhost:8000", device.address).replace("localhost:8001", device.grpc_address)
        await asyncio.to_thread(exec, here, {})
    assert len(capfd.readouterr().out.strip("[] \n").split()) == 10


def test_a_picture_is_answered_as_docs_processing_shows() -> None:
    (model,), (shown,) = blocks(PICTURES, "yaml", "kind: EdgeModel"), blocks(PICTURES, "console", "seven.png")
    processing = Processing.model_validate(yaml.safe_load(model)["spec"]["processing"])
    expected = json.loads("{" + shown[shown.index('"outputs"') :])["outputs"]
    session = processed(load(DIGITS, "ONNX", EngineOptions(threads=1)), processing)
    names = [output["name"] for output in expected]
    picture = (REPOSITORY / "examples/07-pictures/seven.png").read_bytes()
    labels, classes, scores = session.run({"image": tensor(picture)}, names)
    assert [labels.astype(str).tolist(), classes.tolist()] == [[output["data"]] for output in expected[:2]]
    np.testing.assert_allclose(scores[0], expected[2]["data"], atol=1e-4)
