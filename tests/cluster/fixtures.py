"""pytest fixtures of the harness, for `tests/conftest.py` to import."""

from collections.abc import Iterator

import pytest

from tests.cluster.apiserver import ApiServer, api_server
from tests.cluster.cluster import Cluster


@pytest.fixture(scope="session")
def apiserver() -> Iterator[ApiServer]:
    """One API server for the whole session, with the controllers that make deletion work; tests use own namespaces."""
    with api_server(controllers="namespace-controller,garbage-collector-controller,serviceaccount-controller") as api:
        yield api


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The whole cluster, started when it does not run and left running; every link is healed at the start."""
    handle = Cluster()
    handle.up()
    return handle
