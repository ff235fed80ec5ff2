"""Golden data against real models: what passes, what does not, and what is said of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewise.api.edgemodel import SelfTest
from edgewise.api.names import Reason
from edgewise.api.processing import Processing
from edgewise_runtime import engines
from edgewise_runtime.agent import selftest
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.engines.base import EngineOptions, Session
from edgewise_runtime.processing import processed
from tests.runtime import tinyonnx
from tests.runtime.agent.goldens import npz
from tests.runtime.agent.tinymodels import scaling
from tests.runtime.test_processing import BLUE, NAMED, RED

ROWS = np.array([[1, 2, 3, 4], [8, 7, 6, 5]], np.float32)


def opened(folder: Path, *shape: int | str) -> Session:
    """A model that doubles what it gets."""
    path = folder / "model.onnx"
    path.write_bytes(scaling(2, shape))
    return engines.load(path, "ONNX", EngineOptions())


@pytest.fixture
def doubling(tmp_path: Path) -> Iterator[Session]:
    session = opened(tmp_path, "batch", 4)
    yield session
    session.close()


def inline(inputs: Any = ROWS, outputs: Any = None, labels: Any = None) -> str:
    """JSON of x, y, and labels read from y."""

    def tensor(name: str, values: Any, datatype: str) -> list[dict[str, Any]]:
        array = np.asarray(values)
        data = [None if v != v else v for v in array.ravel().tolist()]
        return [{"name": name, "shape": list(array.shape), "datatype": datatype, "data": data}]

    document = {"inputs": tensor("x", inputs, "FP32")}
    if outputs is not None:
        document["outputs"] = tensor("y", outputs, "FP32")
    if labels is not None:
        document["labels"] = tensor("y", labels, "INT64")
    return json.dumps(document)


def failure(session: Session, data: str | Path, **test: Any) -> str:
    """What is said of a test that does not pass."""
    with pytest.raises(Failure) as failed:
        selftest.check(session, SelfTest(inline="-", **test), data)
    assert failed.value.reason == Reason.SELF_TEST_FAILED
    assert failed.value.retry_after(0) is None
    return failed.value.message


@pytest.mark.parametrize(
    ("data", "test"),
    [
        pytest.param(inline(outputs=ROWS * 2), {}, id="the very numbers"),
        pytest.param(inline(outputs=ROWS * 2 + 0.0009), {}, id="within the tolerance"),
        pytest.param(inline(outputs=ROWS * 2 * 1.4), {"tolerance": "0.5"}, id="within a share of large numbers"),
        pytest.param(inline(labels=[3, 0]), {"min_accuracy": "1"}, id="all labels"),
        pytest.param(inline(labels=[3, 1]), {"min_accuracy": "0.5"}, id="enough labels"),
        pytest.param(inline(labels=[0, 1]), {}, id="labels that nobody asks for"),
        pytest.param(inline([[1, 2, 3, 4]], [[2, 4, 6, 8]]), {}, id="one row"),
    ],
)
def test_a_model_that_does_what_it_did_passes(doubling: Session, data: str, test: dict[str, Any]) -> None:
    selftest.check(doubling, SelfTest(inline=data, **test), data)


@pytest.mark.parametrize(
    ("data", "test", "says"),
    [
        pytest.param(
            inline(outputs=[[2, 4, 6, 8], [16, 14, 12.5, 40]]), {},
            "the self test failed: output y, 2 of 8 values: 10 instead of 40 at [1, 3]; 30 apart, 0.001 is allowed",
            id="other numbers: the worst is shown",
        ),
        pytest.param(inline(outputs=ROWS * 2 + 0.1), {"tolerance": "0"}, "8 of 8 values", id="no tolerance at all"),
        pytest.param(inline(outputs=[[2, 4, 6]]), {}, "output y has shape [2, 4] instead of [1, 3]", id="a shape"),
        pytest.param(
            inline(labels=[3, 1]), {"min_accuracy": "0.9"},
            "the self test failed: 1 of 2 labels were met; minAccuracy is 0.9", id="too few labels",
        ),
        pytest.param(inline(labels=[1, 2, 3]), {}, "and there are 3 labels", id="labels of other rows"),
        pytest.param(inline(outputs=ROWS), {"min_accuracy": "0.9"}, "minAccuracy needs labels", id="no labels"),
        pytest.param(inline([[1, 2, 3]], [[1]]), {}, "the model does not run on its data", id="a misfit"),
        pytest.param("{}", {}, "the self test cannot be run: there is no input", id="no data"),
        pytest.param(inline(outputs=ROWS).replace('"x"', '"z"'), {}, "its inputs are z, the model's x", id="an input"),
        pytest.param(
            inline(outputs=ROWS).replace('"y"', '"z"'), {}, "the model has no output z; there is y", id="an output"
        ),
    ],
)  # fmt: skip
def test_a_model_that_does_not_is_refused_with_the_evidence(
    doubling: Session, data: str, test: dict[str, Any], says: str
) -> None:
    assert says in failure(doubling, data, **test)


def test_infinities_and_what_is_no_number_are_equal_to_themselves_alone(doubling: Session, tmp_path: Path) -> None:
    rows = np.array([[np.nan, np.inf, -np.inf, 1]], np.float32)
    good, bad = tmp_path / "good.npz", tmp_path / "bad.npz"
    selftest.check(doubling, SelfTest(inline="-"), npz(good, input__x=rows, output__y=rows * 2))
    npz(bad, input__x=rows, output__y=np.array([[1, 1, 1, np.nan]]))
    assert "4 of 4 values" in failure(doubling, bad)


def test_a_file_in_a_wider_type_is_taken_and_bytes_for_numbers_are_not(doubling: Session, tmp_path: Path) -> None:
    path = tmp_path / "golden.npz"
    npz(path, input__x=ROWS.astype(np.float64), output__y=ROWS * 2)
    selftest.check(doubling, SelfTest(inline="-"), path)
    npz(path, input__x=np.array([[b"a"]]), output__y=ROWS)
    assert "input x takes FP32" in failure(doubling, path)


def test_rows_are_run_as_many_at_once_as_the_model_takes(tmp_path: Path) -> None:
    session = opened(tmp_path, 2, 4)
    six = np.arange(24).reshape(6, 4)
    try:
        selftest.check(session, SelfTest(inline="-"), inline(six, six * 2))
        wrong = (six * 2).copy()
        wrong[5, 3] = 0
        assert "46 instead of 0" in failure(session, inline(six, wrong))
        five = six[:5]
        assert "takes 2 rows at once, and its data have 5" in failure(session, inline(five, five * 2))
    finally:
        session.close()


def test_a_test_that_takes_too_long_is_given_up(doubling: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "MOST_SECONDS", -1.0)
    assert "give it less data" in failure(doubling, inline(outputs=ROWS * 2))


@pytest.mark.parametrize(
    ("output", "labels", "met"),
    [
        ("label", [b"red", b"blue"], 2),
        ("label", [b"red", b"red"], 1),
        ("class", [0, 2], 2),
        ("class", [0, 0], 1),
        ("logits", [0, 2], 2),
        ("logits", [1, 2], 1),
    ],
)
def test_pictures_and_labels_go_through_the_models_processing(
    tmp_path: Path, output: str, labels: list[Any], met: int
) -> None:
    session = processed(
        engines.load(tinyonnx.colours(tmp_path), "ONNX", EngineOptions()), Processing.model_validate(NAMED)
    )
    golden = {"input.pixels": np.array([RED, BLUE]), f"label.{output}": np.array(labels)}
    path = npz(tmp_path / "golden.npz", **golden)
    try:
        selftest.check(session, SelfTest(inline="-", min_accuracy=str(met / 2)), path)
        if met < 2:
            assert f"{met} of 2 labels were met" in failure(session, path, min_accuracy="1")
    finally:
        session.close()
