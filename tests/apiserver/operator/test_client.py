"""The API client: what it asks, what it makes of refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession, web

from edgewise.cluster.access import from_kubeconfig
from edgewise.cluster.client import Client, Selection
from edgewise.cluster.connection import connect
from edgewise.cluster.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)  # fmt: skip
from edgewise.cluster.resources import CONFIG_MAP, EDGE_DEPLOYMENT, EDGE_MODEL, reference
from edgewise.core.observed import ObjectRef
from edgewise.core.outcome import Manifest
from tests.cases.manifests import SMALL_DEPLOYMENT
from tests.cluster import audit
from tests.cluster.apiserver import ApiServer

pytestmark = pytest.mark.apiserver


def config_map(namespace: str, name: str = "plan", **data: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"namespace": namespace, "name": name, "labels": {"part": "test"}},
        "data": data,
    }


async def test_apply_makes_an_object_and_takes_back_what_is_no_longer_intended(client: Client, namespace: str) -> None:
    await client.apply(config_map(namespace, a="1", b="2"))
    await client.apply(config_map(namespace, a="1"))
    found = await client.get(reference(config_map(namespace)))
    assert found["data"] == {"a": "1"}


async def test_apply_by_force_wins_over_another_manager_and_without_it_does_not(client: Client, namespace: str) -> None:
    await client.apply(config_map(namespace, a="user"), manager="kubectl")
    with pytest.raises(ConflictError, match=r'conflict with "kubectl"'):
        await client.apply(config_map(namespace, a="ours"), force=False)
    assert (await client.apply(config_map(namespace, a="ours")))["data"] == {"a": "ours"}


async def test_apply_with_a_uid_does_not_bring_a_deleted_object_back(client: Client, namespace: str) -> None:
    body = config_map(namespace)
    body["metadata"]["uid"] = "6f1c9c70-0000-4000-8000-000000000000"
    with pytest.raises(ConflictError):
        await client.apply(body)


async def test_a_whole_status_is_applied_and_conditions_of_others_are_left_alone(
    with_kinds: ApiServer, client: Client, namespace: str
) -> None:
    owner = await client.apply(_deployment(namespace))
    path = f"{EDGE_DEPLOYMENT.path(namespace, 'digits', 'status')}"
    theirs = {"type": "Audited", "status": "True", "reason": "Seen", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    with_kinds.client.apply(path, {**_identity(owner), "status": {"conditions": [theirs]}})
    ours = {
        "type": "Ready",
        "status": "True",
        "reason": "Serving",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    await client.apply_status({**_identity(owner), "status": {"url": "http://digits", "conditions": [ours]}})
    written = await client.apply_status({**_identity(owner), "status": {"conditions": [ours]}})
    assert {condition["type"] for condition in written["status"]["conditions"]} == {"Audited", "Ready"}
    assert "url" not in written["status"]


async def test_a_status_is_not_given_to_a_successor_of_the_same_name(client: Client, namespace: str) -> None:
    first = await client.apply(_deployment(namespace))
    await client.delete(reference(first))
    await client.apply(_deployment(namespace))
    version = first["metadata"]["resourceVersion"]
    stale = {**_identity(first), "status": {"url": "http://digits"}}
    stale["metadata"]["resourceVersion"] = version
    with pytest.raises(ConflictError):
        await client.apply_status(stale)


async def test_a_list_is_read_page_by_page_with_all_objects_in_it(
    with_kinds: ApiServer, client: Client, namespace: str, user: str
) -> None:
    names = {f"plan-{number:03}" for number in range(501)}
    await asyncio.gather(*(client.create(config_map(namespace, name)) for name in names))
    selection = Selection(namespace, label_selector="part=test")
    found = [item async for item in client.list(CONFIG_MAP, selection, metadata_only=True)]
    assert {item["metadata"]["name"] for item in found} == names
    assert all(item["kind"] == "ConfigMap" and "data" not in item for item in found)
    assert sum(audit.calls(with_kinds.audit_log, user=user, verb="list", resource="configmaps").values()) == 2


async def test_an_empty_list_is_empty(client: Client, namespace: str) -> None:
    assert [item async for item in client.list(EDGE_MODEL, Selection(namespace), metadata_only=True)] == []


async def test_delete_spares_an_object_that_is_another_by_now(client: Client, namespace: str) -> None:
    first = reference(await client.create(config_map(namespace)))
    await client.apply(config_map(namespace, a="1"))
    with pytest.raises(ConflictError):
        await client.delete(first)
    with pytest.raises(ConflictError):
        await client.delete(replace(first, uid="another", resource_version=""))
    await client.delete(replace(first, resource_version=""))
    with pytest.raises(NotFoundError):
        await client.get(first)


async def test_a_merge_patch_holds_only_for_the_version_it_was_made_for(client: Client, namespace: str) -> None:
    first = reference(await client.create(config_map(namespace)))
    await client.merge(first, {"data": {"a": "1"}})
    with pytest.raises(ConflictError):
        await client.merge(first, {"data": {"a": "2"}})


async def test_refusals_come_as_types_with_the_servers_own_words(
    with_kinds: ApiServer, client: Client, namespace: str
) -> None:
    missing = ObjectRef("v1", "ConfigMap", namespace, "missing")
    wrong = {**_deployment(namespace), "spec": {"models": []}}
    stranger = from_kubeconfig(with_kinds.kubeconfig_for("stranger"))
    async with connect(stranger) as connection, connection.session() as session:
        nobody = Client(session, connection.server)
        cases: list[tuple[type[RefusedError], Awaitable[Any], str]] = [
            (NotFoundError, client.get(missing), 'configmaps "missing" not found'),
            (InvalidError, client.apply(wrong), "spec.models in body should have at least 1 items"),
            (InvalidError, client.create(config_map(namespace, "Not A Name")), "Invalid value"),
            (ForbiddenError, nobody.get(missing), 'User "stranger" cannot get resource "configmaps"'),
        ]
        for kind, call, words in cases:
            with pytest.raises(kind, match=words):
                await call


async def test_nobody_there_is_said_so() -> None:
    async with ClientSession() as session:
        with pytest.raises(UnavailableError, match="the API server does not answer"):
            await Client(session, "http://127.0.0.1:9").document("/version")


async def test_a_busy_server_that_names_a_time_is_asked_again_and_one_that_never_answers_is_given_up() -> None:
    asked = []

    async def busy(request: web.Request) -> web.Response:
        asked.append(request.path)
        if request.path == "/soon" and len(asked) > 1:
            return web.json_response({"fine": True})
        return web.json_response({"message": "slow down"}, status=429, headers={"Retry-After": "0"})

    app = web.Application()
    app.router.add_get("/{path}", busy)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with ClientSession() as session:
            client = Client(session, f"http://127.0.0.1:{runner.addresses[0][1]}")
            assert await client.document("/soon") == {"fine": True}
            with pytest.raises(UnavailableError, match="slow down"):
                await client.document("/never")
    finally:
        await runner.cleanup()


def _deployment(namespace: str) -> Manifest:
    return {**SMALL_DEPLOYMENT, "metadata": {"name": "digits", "namespace": namespace}}


def _identity(body: Manifest) -> Manifest:
    meta = {key: body["metadata"][key] for key in ("name", "namespace")}
    return {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": meta}
