"""The three kinds, made known to an API server of a test."""

from __future__ import annotations

from functools import partial
from typing import Any

from edgewise.schema.crd import crd
from edgewise.schema.kinds import KINDS, Kind
from tests.cluster.client import Client
from tests.cluster.waiting import wait_for

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def install_kinds(client: Client) -> None:
    """The CRDs as they are generated now; returns when their objects can be made."""
    for kind in KINDS:
        client.post(CRDS, crd(kind))
    for kind in KINDS:
        wait_for(f"{kind.crd_name} to be established", partial(_established, client, kind))


def _established(client: Client, kind: Kind) -> bool:
    definition: dict[str, Any] = client.get(f"{CRDS}/{kind.crd_name}")
    conditions = definition["status"]["conditions"] or []  # null until the API server has looked at it
    return any(condition["type"] == "Established" and condition["status"] == "True" for condition in conditions)
