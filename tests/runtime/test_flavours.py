"""The pinned requirements of each image, installed and nothing else: they resolve, and each engine serves with them."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.runtime.enginekinds import KINDS, rows
from tests.runtime.processes import serving
from tests.runtime.serving import numbers

REPOSITORY = Path(__file__).parents[2]
SOURCES = f"{REPOSITORY / 'operator'}:{REPOSITORY / 'runtime-images'}"
ENGINES = {
    "cpu": ["ONNX Runtime"],
    "coral": ["LiteRT", "ONNX Runtime"],
    "openvino": ["OpenVINO with ONNX", "OpenVINO with its IR", "ONNX Runtime"],
}


def installed(flavour: str) -> str:
    """A Python with what the image has; made once for each content of its requirements."""
    requirements = REPOSITORY / "runtime-images" / "requirements" / f"{flavour}.txt"
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = REPOSITORY / "build" / "flavours" / f"{flavour}-{digest}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        uv = [sys.executable, "-m", "uv", "--quiet"]
        subprocess.run([*uv, "venv", "--clear", "--python", sys.executable, folder], check=True)
        subprocess.run([*uv, "pip", "install", "--no-deps", "--python", python, "-r", requirements], check=True)
        (folder / "complete").touch()
    return str(python)


@pytest.mark.parametrize("flavour", ENGINES)
async def test_the_requirements_of_an_image_are_all_it_takes_to_serve(flavour: str, tmp_path: Path) -> None:
    python = installed(flavour)
    for name in ENGINES[flavour]:
        kind = KINDS[name]
        path = kind.sums(tmp_path)
        async with (
            serving(path, "--engine", kind.engine, python=python, PYTHONPATH=SOURCES) as server,
            aiohttp.ClientSession() as http,
            http.post(f"{server.url}/v2/models/sums/infer", json={"inputs": [numbers("x", rows(1))]}) as response,
        ):
            answer = await response.json()
        assert response.status == 200, answer
        assert [output["data"] for output in answer["outputs"]] == [[0, 2, 4, 6], [0, 3, 6, 9]]
