"""Our client, logged in to a real API server, and a namespace for each test."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import aiohttp
import pytest

from edgewise.cluster.access import from_kubeconfig
from edgewise.cluster.client import Client
from edgewise.cluster.connection import connect
from tests.apiserver.operator.bench import Bench
from tests.cluster.apiserver import ApiServer


@pytest.fixture
def user() -> str:
    """A user of its own for each test, so that the audit log tells whose calls are whose."""
    return f"operator-{uuid.uuid4().hex[:8]}"


@pytest.fixture
async def client(with_kinds: ApiServer, user: str) -> AsyncIterator[Client]:
    """The client under test, an administrator called `user`."""
    access = from_kubeconfig(with_kinds.kubeconfig_for(user, "system:masters"))
    async with connect(access) as connection, connection.session() as session:
        yield Client(session, connection.server)


@pytest.fixture
def namespace(with_kinds: ApiServer) -> str:
    """A new one."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    with_kinds.client.post("/api/v1/namespaces", {"metadata": {"name": name}})
    return name


@pytest.fixture
async def bench(client: Client, namespace: str) -> AsyncIterator[Bench]:
    """The operator's parts, put together."""
    async with aiohttp.ClientSession() as session:
        made = Bench(client, session, namespace)
        yield made
        made.queue.close()
        await made.effects.poker.close()
