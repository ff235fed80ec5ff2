"""What targets cost a device that has none, or none of a kind: modules are loaded by the first question."""

from __future__ import annotations

import subprocess
import sys

import pytest

_SCRIPT = """
import asyncio, sys
from pathlib import Path
import numpy as np
from edgewise.contract.plan import PlanTarget
from edgewise_runtime.escalation.targets import NoHelpError, Question, Targets
from edgewise_runtime.protocol.messages import InferRequest, Tensor

async def main(url, ask):
    targets, target = Targets(Path("/nowhere")), PlanTarget(name="cloud", url=url)
    targets.use([target])
    question = Question(InferRequest("m", (Tensor("x", "FP32", np.ones(1, np.float32)),)))
    if ask:
        try:
            await targets.ask(target, question, 10.0)
        except NoHelpError as error:
            assert error.result == "unreachable", error
    await targets.close()

asyncio.run(main(sys.argv[1], sys.argv[2] == "ask"))
print(*sorted({"aiohttp", "grpc", "google.protobuf", "h2"} & set(sys.modules)))
"""


@pytest.mark.parametrize(
    ("url", "ask", "loaded"),
    [
        ("http://127.0.0.1:1", "", ""),
        ("grpc://127.0.0.1:1", "", ""),
        ("http://127.0.0.1:1", "ask", "aiohttp"),
        ("grpc://127.0.0.1:1", "ask", "h2"),
        ("grpcs://127.0.0.1:1", "ask", "h2"),
    ],
)
def test_a_device_loads_what_its_targets_speak_when_it_asks_them(url: str, ask: str, loaded: str) -> None:
    done = subprocess.run([sys.executable, "-c", _SCRIPT, url, ask], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, loaded), done.stderr
