"""File servers and places that many tests here need."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edgewise_runtime.agent.fetch import Access
from tests.runtime.agent.fileserver import FileServer, file_server


@pytest.fixture
async def server() -> AsyncIterator[FileServer]:
    async with file_server() as running:
        yield running


@pytest.fixture
async def other() -> AsyncIterator[FileServer]:
    async with file_server() as running:
        yield running


@pytest.fixture
def access(tmp_path: Path) -> Access:
    return Access(tmp_path / "secrets", allowed_addresses=frozenset({"127.0.0.1"}), stall_seconds=1.5)


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "partial" / "model.part"
