"""One fetch of a test: what arrives, or why it does not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgewise.api.edgemodel import Source
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.fetch import Access, Fetcher, Order

CONTENT = os.urandom(300_000)
ROOM = 10**6


async def fetch(access: Access, what: Source, part: Path, most: int = ROOM) -> bytes:
    await Fetcher(access).fetch(Order(what, part, most))
    return part.read_bytes()


async def failure_of(access: Access, what: Source, part: Path, most: int = ROOM) -> Failure:
    with pytest.raises(Failure) as caught:
        await fetch(access, what, part, most)
    return caught.value
