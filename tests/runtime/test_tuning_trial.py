"""What running a model on made-up input can tell, and when it tells nothing."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edgewise_runtime import engines
from edgewise_runtime.engines.base import EngineOptions, Session, TensorSpec
from edgewise_runtime.tuning.trial import Trial, measurable
from tests.runtime import tinyonnx
from tests.runtime.sessions import Gated


def opened(path: Path, threads: int = 1) -> Session:
    return engines.load(path, "ONNX", EngineOptions(threads=threads))


def soon(seconds: float = 30.0) -> float:
    return time.monotonic() + seconds


ROWS = {
    "rows that do not know of each other": ("linear", True),
    "rows that share a mean": ("centred", False),
    "rows that are summed up": ("summed", False),
    "a first dimension that is fixed": ("subtract", False),
}


@pytest.mark.parametrize(("kind", "independent"), ROWS.values(), ids=ROWS)
def test_only_rows_that_do_not_know_of_each_other_may_be_gathered(tmp_path: Path, kind: str, independent: bool) -> None:
    paths = {
        "linear": partial(tinyonnx.linear, tmp_path, np.eye(4, 3)),
        "centred": partial(tinyonnx.centred, tmp_path),
        "summed": partial(tinyonnx.summed, tmp_path),
        "subtract": partial(tinyonnx.subtract, tmp_path),
    }
    session = opened(paths[kind]())
    assert Trial(session, 1, soon()).rows_independent() is independent
    session.close()


SHAPES = {
    "a fixed shape": (TensorSpec("x", "FP32", (1, 3, 8, 8)), True),
    "any number of rows": (TensorSpec("x", "FP32", (-1, 8)), True),
    "pictures of any size": (TensorSpec("x", "FP32", (-1, 3, -1, -1)), False),
    "text": (TensorSpec("x", "BYTES", (1,)), False),
}


@pytest.mark.parametrize(("spec", "expected"), SHAPES.values(), ids=SHAPES)
def test_made_up_input_says_something_where_its_size_is_known(spec: TensorSpec, expected: bool) -> None:
    session = Gated()
    session.inputs = (spec,)
    assert measurable(session) is expected
