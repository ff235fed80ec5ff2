"""Questions of the tests here, and the Secrets that targets name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewise.contract.plan import PlanTarget
from edgewise_runtime.escalation.targets import NoHelpError, Question, Reply, Targets
from edgewise_runtime.protocol.messages import InferRequest, Tensor
from tests.cloud.triton import MODEL
from tests.runtime.volume import Volume

PATIENCE = 10.0
SECURE = {"http": "https", "grpc": "grpcs"}


def images(rows: int = 1) -> NDArray[np.float32]:
    return np.random.default_rng(rows).random((rows, 1, 28, 28), np.float32)


def digits(rows: int = 1) -> Question:
    """For Triton's digits."""
    image = Tensor("image", "FP32", images(rows))
    return Question(InferRequest(MODEL, (image,), id=f"{rows} rows", outputs=("logits",)))


def linear(numbers: NDArray[Any], model: str = "linear") -> Question:
    """For a model of ours that gives back what it gets."""
    return Question(InferRequest(model, (Tensor("x", "FP32", numbers),), id="q", outputs=("logits",)))


def target(url: str, **more: Any) -> PlanTarget:
    return PlanTarget.model_validate({"name": "cloud", "url": url, **more})


def mounted(secrets: Path, name: str, files: Mapping[str, bytes]) -> Volume:
    """A Secret below `secrets`; `files` are read anew at each `renew`."""
    return Volume(secrets / name, tuple(files), lambda moment: _write(moment, files))


async def ask(targets: Targets, asked: PlanTarget, question: Question) -> Reply:
    targets.use([asked])
    return await targets.ask(asked, question, PATIENCE)


async def refusal(targets: Targets, asked: PlanTarget, question: Question, patience: float = PATIENCE) -> NoHelpError:
    """Why there was no help; fails the test where there was."""
    targets.use([asked])
    with pytest.raises(NoHelpError) as caught:
        await targets.ask(asked, question, patience)
    return caught.value


def logits(reply: Reply) -> NDArray[Any]:
    (output,) = reply.response.outputs
    assert output.name == "logits"
    return output.data


def _write(moment: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        (moment / name).write_bytes(content)
