"""No engine calls anybody while it serves. The proof: the same engines, left to their defaults, are heard."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from pathlib import Path

import pytest

from tests.runtime.enginekinds import KINDS, onnx_sums
from tests.runtime.quarantine import Quarantined, quarantined

PATIENCE = 90.0  # seconds; ONNX Runtime gathers what it tells for about ten

TALKATIVE = {
    "ONNX Runtime as it comes": (
        "import sys, time, onnxruntime; onnxruntime.InferenceSession(sys.argv[1]); time.sleep(600)",
        "mobile.events.data.microsoft.com",
    ),
    "ONNX Runtime, told not to by its own call": (
        "import sys, time, onnxruntime; onnxruntime.disable_telemetry_events();"
        " onnxruntime.InferenceSession(sys.argv[1]); time.sleep(600)",
        "mobile.events.data.microsoft.com",
    ),
    "OpenVINO as it comes": ("import time, openvino; time.sleep(600)", "www.google.analytics.com"),
}


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("ip") is None,
    reason="a network of its own needs root, unshare and ip",
)
async def test_no_engine_sends_a_packet_while_it_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for quieting in ("CI", "ORT_DISABLE_TELEMETRY"):
        monkeypatch.setenv(quieting, "true")  # ours, as in continuous integration; a device has neither
    async with contextlib.AsyncExitStack() as running:
        serving: dict[str, Quarantined] = {}
        for name, kind in KINDS.items():
            path = kind.sums(tmp_path)
            command = ["-m", "edgewise_runtime", "serve", str(path), "--engine", kind.engine, "--port", "0"]
            serving[name] = await running.enter_async_context(quarantined(*command, home=tmp_path, model="sums"))
        for served in serving.values():
            await asyncio.wait_for(served.answered.wait(), PATIENCE)
        heard = {
            name: await running.enter_async_context(quarantined("-c", code, str(onnx_sums(tmp_path)), home=tmp_path))
            for name, (code, _) in TALKATIVE.items()
        }
        for name, talking in heard.items():
            await asyncio.wait_for(talking.first.wait(), PATIENCE)
            assert TALKATIVE[name][1] in talking.sent[0]
        # By now each server has been up for longer than any of those kept quiet.
        sent = {name: await served.end() for name, served in serving.items()}
    assert not any(sent.values()), sent
