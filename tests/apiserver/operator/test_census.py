"""The census: the barrier before any work, and what broken watches did not tell."""

from __future__ import annotations

import asyncio

import pytest

from edgewise.cluster.census import Census
from edgewise.cluster.client import Client
from edgewise.cluster.errors import NotFoundError
from edgewise.cluster.resources import CONFIG_MAP, EDGE_DEPLOYMENT, Resource, Watched, reference
from edgewise.cluster.store import Store
from edgewise.core.outcome import Manifest
from tests.cases.manifests import SMALL_DEPLOYMENT

pytestmark = pytest.mark.apiserver
DEPLOYMENTS = Watched(EDGE_DEPLOYMENT)


def census(client: Client, store: Store, namespace: str) -> Census:
    return Census(client, store, [namespace], [DEPLOYMENTS])


async def made(client: Client, namespace: str, name: str) -> Manifest:
    return await client.apply({**SMALL_DEPLOYMENT, "metadata": {"name": name, "namespace": namespace}})


async def test_work_waits_until_every_object_there_is_has_been_seen(client: Client, namespace: str) -> None:
    bodies = [await made(client, namespace, name) for name in ("a", "b")]
    store = Store()
    barrier = asyncio.create_task(census(client, store, namespace).barrier())
    store.put(bodies[0])
    done, _ = await asyncio.wait([barrier], timeout=0.5)
    assert not done
    assert not store.complete, "absence does not mean absence yet, so nothing may be pruned"
    store.put(bodies[1])
    await asyncio.wait_for(barrier, 30)
    assert store.complete


async def test_an_object_that_goes_while_it_is_waited_for_is_not_waited_for(client: Client, namespace: str) -> None:
    body, store = await made(client, namespace, "a"), Store()
    barrier = asyncio.create_task(census(client, store, namespace).barrier())
    await asyncio.wait([barrier], timeout=0.3)
    await client.delete(reference(body))
    await asyncio.wait_for(barrier, 30)


async def test_a_deletion_that_no_watch_told_of_is_found(client: Client, namespace: str) -> None:
    body, store = await made(client, namespace, "a"), Store()
    store.put(body)
    await client.delete(reference(body))
    findings = await census(client, store, namespace).look(DEPLOYMENTS)
    assert [record.ref.name for record in findings.gone] == ["a"]
    assert store.shelf(EDGE_DEPLOYMENT).get(namespace, "a") is None


async def test_an_object_that_no_watch_told_of_is_missing(client: Client, namespace: str) -> None:
    await made(client, namespace, "a")
    findings = await census(client, Store(), namespace).look(DEPLOYMENTS)
    assert findings.missing == ((namespace, "a"),)


async def test_a_successor_of_the_same_name_is_missing_and_its_predecessor_gone(client: Client, namespace: str) -> None:
    first, store = await made(client, namespace, "a"), Store()
    store.put(first)
    await client.delete(reference(first))
    await made(client, namespace, "a")
    findings = await census(client, store, namespace).look(DEPLOYMENTS)
    assert (len(findings.gone), findings.missing) == (1, ((namespace, "a"),))


async def test_objects_of_others_are_not_counted(client: Client, namespace: str) -> None:
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs", "namespace": namespace}}
    await client.apply(theirs)
    watched = Watched(CONFIG_MAP, "app.kubernetes.io/managed-by=edgewise")
    findings = await Census(client, Store(), [namespace], [watched]).look(watched)
    assert findings.missing == ()


async def test_a_kind_that_the_cluster_does_not_have_is_an_error_and_not_a_wait(client: Client, namespace: str) -> None:
    unknown = Watched(Resource("edgewise.dev/v1alpha1", "EdgeDeployment", "edgetoasters"))
    with pytest.raises(NotFoundError):
        await Census(client, Store(), [namespace], [unknown]).barrier()
