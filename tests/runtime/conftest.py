"""The devices that tests of the protocol talk to: the open one of most, and guarded ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
import uvloop

from edgewise_runtime import mounts
from tests.runtime.faults import Link, link
from tests.runtime.guarded import by_certificate, by_token, guarded
from tests.runtime.helped import strong_cloud
from tests.runtime.issuer import Issuer
from tests.runtime.serving import Device, Running, running, served
from tests.runtime.sessions import Gated
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


@pytest.fixture
def session() -> Iterator[Gated]:
    """Keeps a worker busy until its gate opens; always let go in the end, so that no thread outlives its test."""
    made = Gated()
    yield made
    made.gate.set()


@pytest.fixture(scope="session")
def strong(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Port of the model that the device of `helped` asks."""
    with strong_cloud(tmp_path_factory.mktemp("strong")) as port:
        yield port


@pytest.fixture
async def cloud(strong: int) -> AsyncIterator[Link]:
    """The way there."""
    async with link(strong) as way:
        yield way


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Renewed Secrets are seen at once."""
    monkeypatch.setattr(mounts, "LOOK_SECONDS", 0.01)


@pytest.fixture
def no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """For those who ask at a rate: however slow this machine is, what they spent does not come back."""
    monkeypatch.setattr("edgewise_runtime.access.access.time", SimpleNamespace(monotonic_ns=lambda: 10**12))


@pytest.fixture
async def with_tokens(tmp_path: Path) -> AsyncIterator[Running]:
    async with guarded(tmp_path, **by_token(tmp_path)) as device:
        yield device


@pytest.fixture
async def with_both_sides(tmp_path: Path, issuer: Issuer) -> AsyncIterator[Running]:
    """Client and server show certificates."""
    async with guarded(tmp_path, **by_certificate(tmp_path, issuer, clients=issuer)) as device:
        yield device
