from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edgewise_runtime.escalation.targets import Targets


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """Where Secrets are mounted."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    return folder


@pytest.fixture
async def targets(secrets: Path) -> AsyncIterator[Targets]:
    targets = Targets(secrets)
    yield targets
    await targets.close()
