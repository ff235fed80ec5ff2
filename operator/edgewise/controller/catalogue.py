"""Applies the packaged DeviceProfiles at start: the hardware people buy, so that nobody begins with an empty list.

Under a field manager of its own and without force: what somebody edited stays as it is. Each profile carries the hash
of the packaged version that was applied last, so that an operator that brings nothing new writes nothing. Helm cannot
do this: it refuses a chart with a CRD and an object of that kind.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any

import yaml

from edgewise.api.names import API_VERSION, CATALOGUE_MANAGER, GROUP, short_hash
from edgewise.cluster.client import Client
from edgewise.cluster.errors import ConflictError
from edgewise.cluster.resources import DEVICE_PROFILE
from edgewise.controller.status import covers
from edgewise.core.outcome import Manifest

_log = logging.getLogger(__name__)
VERSION_ANNOTATION = f"{GROUP}/catalogue"
"""Hash of the packaged profile that was applied last."""


def packaged() -> list[Manifest]:
    """The profiles that come with this version, by name."""
    folder = resources.files("edgewise").joinpath("catalogue")
    files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".yaml")), key=lambda entry: entry.name)
    return [_manifest(yaml.safe_load(entry.read_text())) for entry in files]


async def apply_catalogue(client: Client, profiles: Iterable[Manifest] | None = None) -> None:
    """Brings the cluster's profiles up to the packaged ones where nobody edited them. Raises ApiError."""
    present = {body["metadata"]["name"]: body async for body in client.list(DEVICE_PROFILE)}
    for profile in packaged() if profiles is None else profiles:
        await _apply(client, profile, present.get(profile["metadata"]["name"]))


async def _apply(client: Client, wanted: Manifest, present: Mapping[str, Any] | None) -> None:
    name = wanted["metadata"]["name"]
    if present is not None and _version(present) == _version(wanted):
        if not covers(present["spec"], wanted["spec"]):
            _log.info("edited profile kept", extra={"profile": name})
        return
    try:
        await client.apply(wanted, manager=CATALOGUE_MANAGER, force=False)
        _log.info("profile applied", extra={"profile": name})
    except ConflictError as error:
        extra = {"profile": name, "conflict": str(error), "remedy": "delete the profile to get the packaged one"}
        _log.warning("edited profile kept; a newer packaged one is not applied", extra=extra)


def _manifest(packaged_profile: Mapping[str, Any]) -> Manifest:
    name, spec = packaged_profile["metadata"]["name"], packaged_profile["spec"]
    version = short_hash(json.dumps(spec, sort_keys=True))
    return {
        "apiVersion": API_VERSION,
        "kind": DEVICE_PROFILE.kind,
        "metadata": {
            "name": name,
            "labels": {"app.kubernetes.io/part-of": "edgewise"},
            "annotations": {VERSION_ANNOTATION: version},
        },
        "spec": spec,
    }


def _version(profile: Mapping[str, Any]) -> str:
    return str((profile["metadata"].get("annotations") or {}).get(VERSION_ANNOTATION, ""))
