"""The decoder against an independent reading, on inputs that atheris finds by looking where they lead."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.paths import REPOSITORY


def test_the_decoder_refuses_or_reads_what_was_sent(tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="has no wheel for this interpreter or machine")
    argv = [sys.executable, "-m", "tests.runtime.fuzz.atheris_target", "-runs=20000", "-seed=1"]
    done = subprocess.run(
        [*argv, f"-artifact_prefix={tmp_path}/"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
