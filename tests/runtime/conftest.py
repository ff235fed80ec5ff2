"""The device that most tests of the protocol talk to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from edgewise.api.edgemodel import Confidence
from tests.runtime import tinyonnx
from tests.runtime.serving import Running, running, served


@pytest.fixture
async def device(tmp_path: Path) -> AsyncIterator[Running]:
    weights = np.array([[2.0, -1.0], [0.0, 3.0]])
    models = [
        served(tinyonnx.linear(tmp_path, weights), version="2.1.0", confidence=Confidence(output="logits")),
        served(tinyonnx.subtract(tmp_path)),
        served(tinyonnx.echo(tmp_path, "BYTES", ["n"]), "echo"),
        served(tinyonnx.picky(tmp_path)),
    ]
    async with running(*models, max_body=100_000, max_json=50_000, body_timeout=0.5) as device:
        yield device
