"""A calibration as it is drawn: dots in a terminal, a PNG, and the fields as YAML."""

from __future__ import annotations

import io
import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from rich.console import Console

from edgewise.api.base import Model
from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.cli.asking import AskingError
from edgewise.cli.calibration.judging import Calibration, calibrate
from edgewise.cli.calibration.samples import Samples
from edgewise.cli.calibration.thresholds import Wish
from edgewise.cli.fields import Place, as_yaml, fields
from edgewise.cli.picture import draw
from edgewise.cli.terminal import Curve, Frame, plot, shown
from tests.cases.manifests import SMALL_DEPLOYMENT
from tests.unit.test_calibration import drawn


@pytest.fixture(scope="module")
def found() -> Calibration:
    honest = drawn(3)
    return calibrate(Samples(honest.logits * 3, honest.labels, honest.logits), Wish(offload=0.3), "SoftmaxMax", 1.0)


def seen(found: Calibration) -> str:
    """What a terminal 100 columns wide shows."""
    console = Console(width=100, file=io.StringIO())
    with console.capture() as capture:
        console.print(shown(found))
    return capture.get()


def test_a_rising_line_goes_from_corner_to_corner() -> None:
    ends = np.array([0.0, 1.0])
    lines = plot("a line", [Curve(ends, ends, "red")], Frame(top="0.5")).plain.splitlines()
    assert lines[0] == "a line"
    rows = [line.partition("│")[2] for line in lines if "│" in line]
    marked = [[column for column, mark in enumerate(row) if mark != "\u2800"] for row in rows]
    assert marked[0][-1] == len(rows[0]) - 1
    assert marked[-1][0] == 0
    assert all(above[0] > below[0] for above, below in itertools.pairwise(marked))
    assert lines[1].startswith("   0.5 │")


def test_a_single_point_and_points_outside_are_drawn_at_the_edge() -> None:
    for x in (-1.0, 0.5, 2.0):
        text = plot("points", [Curve(np.array([x]), np.array([x]), "")], Frame()).plain
        assert sum(mark > "\u2800" for mark in text if "\u2800" <= mark <= "\u28ff") == 1


def test_a_terminal_shows_the_table_and_both_curves(found: Calibration) -> None:
    text = seen(found)
    for expected in ("temperature", "confidenceBelow", "debiased", "AURC", "accuracy together", "risk-coverage"):
        assert expected in text
    assert f"{found.after.nll:.4f}" in text


def test_what_nobody_knows_is_a_dash(found: Calibration) -> None:
    alone = calibrate(drawn(1), Wish(offload=1.0), "SoftmaxMax", 1.0)
    text = seen(alone)
    assert "accuracy together" not in text
    (kept,) = [line for line in text.splitlines() if line.startswith("accuracy of what the device keeps")]
    assert kept.split()[-2:] == ["-", "-"]


def test_a_picture_is_drawn(found: Calibration, tmp_path: Path) -> None:
    draw(found, "digits 1.0.0", tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.width > 800


def test_a_place_that_cannot_be_written_is_told(found: Calibration, tmp_path: Path) -> None:
    with pytest.raises(AskingError, match="cannot write"):
        draw(found, "digits", tmp_path / "none" / "curves.png")
    with pytest.raises(AskingError, match="cannot write"):
        draw(found, "digits", tmp_path / "curves.doc")


def test_without_matplotlib_a_picture_says_how_to_get_it(
    found: Calibration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(AskingError, match=r"pip install 'edgewise\[cli\]'"):
        draw(found, "digits", tmp_path / "curves.png")


def test_fields_are_nothing_but_what_changes_and_stay_strings() -> None:
    text = as_yaml(fields(Place("edge", "digits", "digits-lab"), 1.9, 0.85))
    model, deployment = yaml.safe_load_all(text)
    assert model["spec"] == {"confidence": {"temperature": "1.9"}}
    assert deployment["spec"] == {"escalation": {"when": {"confidenceBelow": "0.85"}}}
    assert (model["metadata"], deployment["metadata"]["name"]) == (
        {"name": "digits", "namespace": "edge"},
        "digits-lab",
    )


@pytest.mark.parametrize(
    ("below", "expected"), [(1.0, "1"), (0.954793, "0.954793"), (0.5, "0.5"), (0.000001, "0.000001")]
)
def test_a_threshold_is_written_as_a_manifest_takes_it(below: float, expected: str) -> None:
    (_, deployment) = fields(Place("edge", "digits", "digits"), 1.0, below)
    written = deployment["spec"]["escalation"]["when"]["confidenceBelow"]
    assert written == expected
    escalation = {"targets": [{"name": "cloud", "url": "http://triton:8000"}], "when": {"confidenceBelow": written}}
    whole = {**SMALL_DEPLOYMENT, "spec": {**SMALL_DEPLOYMENT["spec"], "escalation": escalation}}
    accepted: Model = EdgeDeployment.model_validate(whole)
    assert accepted.wire()["spec"]["escalation"]["when"]["confidenceBelow"] == expected


def test_a_deployment_that_asks_nobody_has_no_threshold_to_set() -> None:
    assert [each["kind"] for each in fields(Place("edge", "digits", ""), 2.0, 0.5)] == ["EdgeModel"]
