"""The packaged DeviceProfiles in a real cluster: applied, edited, left alone."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from edgewise.api.names import CATALOGUE_MANAGER
from edgewise.cluster.client import Client
from edgewise.cluster.resources import DEVICE_PROFILE
from edgewise.controller.catalogue import apply_catalogue, packaged
from edgewise.core.observed import ObjectRef
from edgewise.core.outcome import Manifest
from tests.cluster import audit
from tests.cluster.apiserver import ApiServer

pytestmark = pytest.mark.apiserver


@pytest.fixture
async def fresh(client: Client) -> AsyncIterator[Client]:
    """A cluster without profiles."""
    await _clear(client)
    yield client
    await _clear(client)


async def test_all_packaged_profiles_are_applied_under_a_manager_of_their_own(fresh: Client) -> None:
    await apply_catalogue(fresh)
    found = {body["metadata"]["name"]: body async for body in fresh.list(DEVICE_PROFILE)}
    assert found.keys() == {profile["metadata"]["name"] for profile in packaged()}
    managers = {entry["manager"] for body in found.values() for entry in body["metadata"]["managedFields"]}
    assert managers == {CATALOGUE_MANAGER}


async def test_a_second_start_writes_nothing(with_kinds: ApiServer, fresh: Client, user: str) -> None:
    await apply_catalogue(fresh)
    before = _writes(with_kinds, user)
    await apply_catalogue(fresh)
    assert _writes(with_kinds, user) == before


async def test_what_somebody_edited_is_kept_by_the_next_start_and_by_a_newer_catalogue(
    with_kinds: ApiServer, fresh: Client, user: str
) -> None:
    await apply_catalogue(fresh)
    await fresh.merge(_ref("raspberry-pi-4"), {"spec": {"priority": 77}})
    before = _writes(with_kinds, user)
    await apply_catalogue(fresh)
    assert _writes(with_kinds, user) == before
    await apply_catalogue(fresh, [_newer("raspberry-pi-4", priority=300)])
    assert (await fresh.get(_ref("raspberry-pi-4")))["spec"]["priority"] == 77


async def test_a_newer_catalogue_reaches_profiles_that_nobody_edited(fresh: Client) -> None:
    await apply_catalogue(fresh)
    await apply_catalogue(fresh, [_newer("raspberry-pi-4", priority=300)])
    assert (await fresh.get(_ref("raspberry-pi-4")))["spec"]["priority"] == 300


async def test_the_edit_of_one_profile_holds_up_no_other(fresh: Client) -> None:
    await apply_catalogue(fresh)
    await fresh.merge(_ref("coral-usb"), {"spec": {"priority": 77}})
    await apply_catalogue(fresh, [_newer("coral-usb", priority=1), _newer("raspberry-pi-4", priority=2)])
    priorities = [(await fresh.get(_ref(name)))["spec"]["priority"] for name in ("coral-usb", "raspberry-pi-4")]
    assert priorities == [77, 2]


def _newer(name: str, priority: int) -> Manifest:
    profile = copy.deepcopy(next(profile for profile in packaged() if profile["metadata"]["name"] == name))
    profile["metadata"]["annotations"] = {"edgewise.dev/catalogue": "newer"}
    profile["spec"]["priority"] = priority
    return profile


def _ref(name: str) -> ObjectRef:
    return ObjectRef(DEVICE_PROFILE.api_version, DEVICE_PROFILE.kind, "", name)


def _writes(api: ApiServer, user: str) -> Counter[audit.Call]:
    calls = audit.calls(api.audit_log, user=user)
    return Counter({call: count for call, count in calls.items() if call.verb not in ("get", "list", "watch")})


async def _clear(client: Client) -> None:
    for name in [body["metadata"]["name"] async for body in client.list(DEVICE_PROFILE, metadata_only=True)]:
        await client.delete(_ref(name))
