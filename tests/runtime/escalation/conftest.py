"""A device that is not sure of itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.runtime.helped import weak_device
from tests.runtime.serving import Running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture
async def device(folder: Path) -> AsyncIterator[Running]:
    async with weak_device(folder) as device:
        yield device
