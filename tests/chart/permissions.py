"""Rights as sets: what the chart grants, what a user was seen to use in the API server's audit log."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from tests.chart.helm import Manifest

ROLES = ("ClusterRole", "Role")


class Right(NamedTuple):
    """One verb on one kind of thing; `resource` has its subresource, as in `edgemodels/status`."""

    group: str
    resource: str
    verb: str


def granted(manifests: Iterable[Manifest], *kinds: str) -> set[Right]:
    """The rights in these roles (`ClusterRole`, `Role`; none named: both)."""
    rules = (rule for role in manifests if role["kind"] in (kinds or ROLES) for rule in role["rules"])
    return {Right(*right) for rule in rules for right in product(rule["apiGroups"], rule["resources"], rule["verbs"])}


def used(log: Path, user: str) -> set[Right]:
    """The rights that the user's calls needed; to hear that something is not there takes the right to look."""
    return {right for event in _events(log, user) if event["responseStatus"]["code"] != 403 for right in _needed(event)}


def refused(log: Path, user: str) -> list[str]:
    """The user's calls that lacked a right."""
    calls = (event for event in _events(log, user) if event["responseStatus"]["code"] == 403)
    return [f"{event['verb']} {event['requestURI']}" for event in calls]


def _events(log: Path, user: str) -> Iterator[dict[str, Any]]:
    with log.open() as lines:
        for line in lines:
            event = json.loads(line) if line.endswith("\n") else {}  # the last one may still be being written
            if event.get("user", {}).get("username") == user and "responseStatus" in event:
                yield event


def _needed(event: dict[str, Any]) -> set[Right]:
    reference = event.get("objectRef", {})
    if "resource" not in reference:  # /healthz, /openid/v1/jwks
        return set()
    resource = "/".join(filter(None, [reference["resource"], reference.get("subresource", "")]))
    right = Right(reference.get("apiGroup", ""), resource, event["verb"])
    # A server-side apply that made the object is a patch in the log, and needed the right to create as well.
    made = event["verb"] == "patch" and event["responseStatus"]["code"] == 201
    return {right, right._replace(verb="create")} if made else {right}
