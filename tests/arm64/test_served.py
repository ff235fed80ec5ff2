"""The image for arm64 really run, on an emulated processor: the same tests, the same numbers as here."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import numpy as np
import onnxruntime
import pytest
from tritonclient import http as triton

from examples import digits_client
from tests.arm64.device import ARM64, PROFILE, agent, free_addresses, port
from tests.cluster import paths
from tests.cluster.container import Container, Order, unpacked
from tests.cluster.images import Built
from tests.runtime.agent.devices import mount
from tests.runtime.agent.fileserver import file_server
from tests.runtime.serving import Addresses
from tests.runtime.suite import LIMITS, environment, examples, planned

pytestmark = pytest.mark.arm64

DIGITS = paths.REPOSITORY / "examples/models/digits/digits-fp32-1.0.0.onnx"
PATIENCE_SECONDS = 120.0  # emulated, on a machine that has other things to do


@pytest.fixture(scope="module")
def image(built: Built) -> Iterator[Container]:
    with unpacked(built.archives["runtime-cpu"][ARM64], ARM64) as container:
        yield container


def test_it_runs_on_an_arm64(image: Container) -> None:
    program = "import platform, onnxruntime; print(platform.machine(), onnxruntime.__version__)"
    pinned = (paths.REPOSITORY / "runtime-images/requirements/cpu.txt").read_text()
    version = re.search(r"^onnxruntime==(\S+)", pinned, re.M)
    assert version
    assert image.said(Order(["-c", program], entrypoint=["python3"])).split() == ["aarch64", version[1]]


def test_it_serves_a_model_file_with_the_numbers_it_has_here(image: Container, tmp_path: Path) -> None:
    address, log = free_addresses().http, tmp_path / "log"
    arguments = ["serve", "/models/" + DIGITS.name, "--name", "digits", "--port", port(address)]
    with image.started(Order(arguments, folders={DIGITS.parent: "/models"}), log) as process:
        assert process.stdout
        welcome = list(iter(process.stdout.readline, "Ctrl-C ends it.\n"))[:20]
        assert welcome[0].startswith(f"Serving digits on http://localhost:{port(address)}/"), log.read_text()
        here = onnxruntime.InferenceSession(DIGITS)
        with np.load(digits_client.HELD_OUT) as arrays, triton.InferenceServerClient(address) as server:
            for picture in arrays["images"][::50]:
                there, source = digits_client.ask(server, "digits", picture, {})
                (expected,) = here.run(["logits"], {"image": picture[None, None].astype(np.float32) / np.float32(255)})
                np.testing.assert_allclose(there, expected[0], rtol=1e-3, atol=1e-4)
                assert source == "device"
    assert process.returncode == 0
    assert [line for line in log.read_text().splitlines() if " INFO " not in line] == []


@pytest.fixture
async def device(image: Container, tmp_path: Path) -> AsyncIterator[Addresses]:
    """Follows a plan with the models of the suite, fetched by the device itself."""
    async with file_server() as files, aiohttp.ClientSession() as http:
        models = examples(tmp_path)
        files.files = {f"/{model.path.name}": model.path.read_bytes() for model in models}
        mount(tmp_path / "plan", planned(models, PROFILE, lambda name: f"{files.url}/{name}"))
        with agent(image, tmp_path, **LIMITS) as addresses:
            await ready(http, addresses, tmp_path / "log")
            yield addresses


async def ready(http: aiohttp.ClientSession, addresses: Addresses, log: Path) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_SECONDS
    while loop.time() < deadline:
        try:
            async with http.get(f"http://{addresses.http}/v2/health/ready") as answer:
                if answer.status == 200:
                    return
        except aiohttp.ClientError:
            pass
        await asyncio.sleep(0.1)
    pytest.fail(f"not ready after {PATIENCE_SECONDS:.0f} s:\n{log.read_text()}")


async def test_the_protocol_suite_passes(device: Addresses) -> None:
    """Every test marked `protocol`, the very ones that are run in this process elsewhere."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "protocol", "-p", "no:cacheprovider", "tests/runtime"]
    suite = await asyncio.create_subprocess_exec(
        *command, env=os.environ | environment(device), cwd=paths.REPOSITORY, stdout=PIPE, stderr=STDOUT
    )
    said = (await suite.communicate())[0].decode()
    assert suite.returncode == 0, said
