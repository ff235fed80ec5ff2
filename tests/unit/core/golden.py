"""Children as files, so that a review shows the effect of every change.

UPDATE_GOLDEN=1 pytest tests/unit/core writes them anew, after a change that is meant.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "golden"


def assert_golden(name: str, *manifests: dict[str, Any]) -> None:
    """These manifests are what golden/<name>.yaml holds."""
    path, text = FOLDER / f"{name}.yaml", yaml.safe_dump_all(manifests, sort_keys=False, width=120)
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text(), "the children changed; if that is meant: UPDATE_GOLDEN=1 pytest tests/unit/core"
