"""What docs/hybrid.md says about examples is true of examples."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any, get_args

import pytest

from edgewise_runtime.spool.example import Loss, Reason
from edgewise_runtime.spool.record import encode, identity
from edgewise_runtime.spool.sink import Result
from tests.cluster.paths import REPOSITORY
from tests.runtime.spool.examples import NOW, ORIGIN, example

SECTION = (REPOSITORY / "docs" / "hybrid.md").read_text().partition("## Store and forward\n")[2]


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)
    assert found, f"no {language} under Store and forward"
    return found[1]


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the documented program makes of two examples."""
    (tmp_path / "digits").mkdir()
    for seed in range(2):
        data = encode(example(seed=seed, id="frame"), ORIGIN, NOW)
        (tmp_path / "digits" / f"{identity(data)}.npz").write_bytes(data)
    (tmp_path / "read.py").write_text(block("python"))
    monkeypatch.chdir(tmp_path)
    found: list[dict[str, Any]] = runpy.run_path("read.py")["rows"]
    return found


def test_the_program_reads_examples(rows: list[dict[str, Any]]) -> None:
    assert [(row["pixels"].shape, row["confidence"]) for row in rows] == [((1, 8), 0.4)] * 2


def test_every_member_of_example_json_is_described(rows: list[dict[str, Any]]) -> None:
    described = re.search(r"`example\.json` says(.*?)\n\n", SECTION, re.DOTALL)
    assert described
    members = set(rows[0]) - {"pixels", "format", "inputs", "outputs"} | set(rows[0]["inputs"][0])
    assert members <= set(re.findall(r"`(\w+)`", described[1])), json.dumps(sorted(members))


@pytest.mark.parametrize("word", [*get_args(Reason), *get_args(Result), *get_args(Loss), "failed"])
def test_every_reason_and_result_is_described(word: str) -> None:
    assert f"`{word}`" in SECTION
