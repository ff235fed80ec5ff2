"""Leader election between real processes' worth of contenders, on a real Lease."""

from __future__ import annotations

import asyncio

import pytest

from edgewise.cluster.access import from_kubeconfig
from edgewise.cluster.client import Client
from edgewise.cluster.connection import connect
from edgewise.cluster.lease import Lease, LeaseTiming
from edgewise.cluster.resources import LEASE
from edgewise.core.observed import ObjectRef
from tests.apiserver.operator.relay import Relay
from tests.cluster.apiserver import ApiServer

pytestmark = pytest.mark.apiserver
QUICK = LeaseTiming(duration=1.0, give_up=0.7, renew=0.1, retry=0.05)


def lease(client: Client, namespace: str, identity: str) -> Lease:
    return Lease(client, namespace, "operator", identity, QUICK)


def ref(namespace: str) -> ObjectRef:
    return ObjectRef(LEASE.api_version, LEASE.kind, namespace, "operator")


async def test_of_two_contenders_one_leads_and_the_other_waits_until_it_lets_go(client: Client, namespace: str) -> None:
    first, second = lease(client, namespace, "first"), lease(client, namespace, "second")
    await first.acquire()
    holding, waiting = asyncio.create_task(first.hold()), asyncio.create_task(second.acquire())
    done, _ = await asyncio.wait([holding, waiting], timeout=3 * QUICK.duration)
    assert not done, "renewed in time, so nobody else may lead"
    holding.cancel()
    await first.release()
    await asyncio.wait_for(waiting, 30)
    assert (await client.get(ref(namespace)))["spec"]["holderIdentity"] == "second"


async def test_a_holder_that_vanished_is_succeeded_when_its_lease_has_run_out(client: Client, namespace: str) -> None:
    await lease(client, namespace, "vanished").acquire()
    await asyncio.wait_for(lease(client, namespace, "next").acquire(), 30)
    found = await client.get(ref(namespace))
    assert (found["spec"]["holderIdentity"], found["spec"]["leaseTransitions"]) == ("next", 1)


async def test_a_restarted_container_of_the_same_pod_leads_at_once(client: Client, namespace: str) -> None:
    await lease(client, namespace, "pod-1").acquire()
    again = Lease(client, namespace, "operator", "pod-1", LeaseTiming(duration=3600))
    await asyncio.wait_for(again.acquire(), 30)


async def test_a_holder_whose_lease_was_taken_stops(client: Client, namespace: str) -> None:
    held = lease(client, namespace, "slow")
    await held.acquire()
    await client.merge(ref(namespace), {"spec": {"holderIdentity": "quick"}})
    await asyncio.wait_for(held.hold(), 30)
    await held.release()
    assert (await client.get(ref(namespace)))["spec"]["holderIdentity"] == "quick"


async def test_a_renewal_whose_answer_got_lost_is_no_reason_to_stop(client: Client, namespace: str) -> None:
    held = lease(client, namespace, "me")
    await held.acquire()
    await client.merge(ref(namespace), {"metadata": {"annotations": {"renewed": "unnoticed"}}})
    holding = asyncio.create_task(held.hold())
    done, _ = await asyncio.wait([holding], timeout=2 * QUICK.give_up)
    holding.cancel()
    assert not done


async def test_a_holder_that_cannot_reach_the_api_server_stops_before_anybody_may_take_over(
    with_kinds: ApiServer, client: Client, namespace: str
) -> None:
    access = from_kubeconfig(with_kinds.kubeconfig)
    async with Relay(access.server) as link, connect(access) as connection, connection.session() as session:
        held = lease(Client(session, link.url), namespace, "cut off")
        await held.acquire()
        await link.cut()
        await asyncio.wait_for(held.hold(), 30)
        assert (await client.get(ref(namespace)))["spec"]["holderIdentity"] == "cut off"
