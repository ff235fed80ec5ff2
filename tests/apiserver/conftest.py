"""An API server that knows the three kinds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.apiserver.kinds import install_kinds
from tests.cluster.apiserver import ApiServer, api_server


@pytest.fixture(scope="package")
def with_kinds() -> Iterator[ApiServer]:
    """One API server for this folder, with the CRDs as they are generated now, established."""
    with api_server() as api:
        install_kinds(api.client)
        yield api
