"""An API server that knows the three kinds."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from edgewise.schema.crd import crd
from edgewise.schema.kinds import KINDS, Kind
from tests.cluster.apiserver import ApiServer, api_server
from tests.cluster.client import Client
from tests.cluster.waiting import wait_for

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture(scope="package")
def with_kinds() -> Iterator[ApiServer]:
    """One API server for this folder, with the CRDs as they are generated now, established."""
    with api_server() as api:
        for kind in KINDS:
            api.client.post(CRDS, crd(kind))
        for kind in KINDS:
            wait_for(f"{kind.crd_name} to be established", partial(_established, api.client, kind))
        yield api


def _established(client: Client, kind: Kind) -> bool:
    definition: dict[str, Any] = client.get(f"{CRDS}/{kind.crd_name}")
    conditions = definition["status"]["conditions"] or []  # null until the API server has looked at it
    return any(condition["type"] == "Established" and condition["status"] == "True" for condition in conditions)
