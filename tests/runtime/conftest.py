"""The device that most tests of the protocol talk to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
import uvloop

from tests.runtime.serving import Device, running, served
from tests.runtime.suite import LIMITS, elsewhere, examples


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """A device runs on uvloop; whoever starts the runtime without it gets asyncio's."""
    both = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return both if item.get_closest_marker("loops") else {"asyncio": both["asyncio"]}


@pytest.fixture
async def device(tmp_path: Path) -> AsyncIterator[Device]:
    """In this process, hence a `Running`; for tests marked `protocol`, perhaps elsewhere."""
    async with elsewhere() as device:
        if device is not None:
            yield device
            return
    models = [served(each.path, each.name, each.version, each.confidence) for each in examples(tmp_path)]
    async with running(*models, **LIMITS) as device:
        yield device
