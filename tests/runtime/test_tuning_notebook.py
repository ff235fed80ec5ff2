"""What was found out about a model is believed of that model alone, on this device, with this runtime."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewise_runtime.engines.base import EngineOptions
from edgewise_runtime.tuning import notebook as notebooks
from edgewise_runtime.tuning.choice import Choice
from edgewise_runtime.tuning.notebook import Notebook, Page
from edgewise_runtime.tuning.tuner import Subject

SUBJECT = Subject("sha256 ONNX", EngineOptions())
OTHERS = {
    "another model": Subject("other ONNX", EngineOptions()),
    "another option": Subject("sha256 ONNX", EngineOptions(options={"session.x": "1"})),
    "another wish": Subject("sha256 ONNX", EngineOptions(), max_latency=0.005),
}


@pytest.mark.parametrize("subject", OTHERS.values(), ids=OTHERS)
def test_what_was_found_out_of_one_is_not_believed_of(subject: Subject, tmp_path: Path) -> None:
    Notebook(tmp_path).write(SUBJECT.name, Page(provider="CPUExecutionProvider", choice=Choice(threads=1)))
    assert Notebook(tmp_path).read(subject.name) is None


@pytest.mark.parametrize("name", ["__version__", "hardware"])
def test_what_was_found_out_elsewhere_is_not_believed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Notebook(tmp_path).write(SUBJECT.name, Page(provider="CPUExecutionProvider", choice=Choice(threads=1)))
    monkeypatch.setattr(notebooks, name, (lambda: "another board") if name == "hardware" else "9.9.9")
    assert Notebook(tmp_path).read(SUBJECT.name) is None


def test_the_notebook_does_not_grow_for_ever(tmp_path: Path) -> None:
    book = Notebook(tmp_path)
    for number in range(70):
        book.write(f"model {number}", Page(provider="CPU", choice=Choice()))
    assert len(list((tmp_path / "tuning").glob("*.json"))) == 64
    assert book.read("model 69") is not None


def test_a_page_that_another_pod_throws_out_meanwhile_is_no_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    book, listed = Notebook(tmp_path), Path.glob

    def glob(folder: Path, pattern: str) -> list[Path]:
        return [*listed(folder, pattern), folder / "gone.json"]

    monkeypatch.setattr(Path, "glob", glob)
    book.write("model", Page(provider="CPU", choice=Choice()))
    assert book.read("model") is not None
    assert not caplog.records
