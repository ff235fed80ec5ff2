"""Pokes: over HTTP where the pod network is there, by an annotation where it is not."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest
from aiohttp import web

from edgewise.api.names import POKE_ANNOTATION
from edgewise.cluster.client import Client
from edgewise.controller.pokes import Poker
from edgewise.core.observed import ObjectRef
from edgewise.core.outcome import Poke
from tests.apiserver.operator.test_reports import pod, service_account
from tests.cluster import audit
from tests.cluster.apiserver import ApiServer

pytestmark = pytest.mark.apiserver


class Device:
    """Something that answers on the metrics port of a pod."""

    def __init__(self) -> None:
        self.poked = 0
        self.status = 202

    async def poke(self, _: web.Request) -> web.Response:
        self.poked += 1
        return web.Response(status=self.status)


@pytest.fixture
async def device() -> AsyncIterator[tuple[Device, int]]:
    answering = Device()
    app = web.Application()
    app.router.add_post("/poke", answering.poke)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield answering, runner.addresses[0][1]
    await runner.cleanup()


@pytest.fixture
def poke(with_kinds: ApiServer, namespace: str) -> Poke:
    service_account(with_kinds, namespace)
    pod(with_kinds, namespace, "device", "digits", "pi-1")
    return Poke(namespace, "device", "127.0.0.1")


async def poked(client: Client, port: int, *pokes: Poke) -> None:
    async with aiohttp.ClientSession() as session:
        poker = Poker(client, session, port)
        poker.poke(pokes)
        poker.poke(pokes)
        await poker.idle()


async def annotated(client: Client, poke: Poke) -> bool:
    body = await client.get(ObjectRef("v1", "Pod", poke.namespace, poke.pod))
    return POKE_ANNOTATION in body["metadata"].get("annotations", {})


async def test_a_device_that_answers_is_asked_once_and_its_pod_left_alone(
    client: Client, poke: Poke, device: tuple[Device, int]
) -> None:
    answering, port = device
    await poked(client, port, poke)
    assert answering.poked == 1
    assert not await annotated(client, poke)


async def test_a_device_that_was_asked_a_moment_ago_is_not_annotated_for_it(
    client: Client, poke: Poke, device: tuple[Device, int]
) -> None:
    answering, port = device
    answering.status = 429
    await poked(client, port, poke)
    assert not await annotated(client, poke)


async def test_where_the_pod_network_cannot_be_reached_the_pod_is_annotated(client: Client, poke: Poke) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, but it does not listen
        await poked(client, nobody.getsockname()[1], poke)
    assert await annotated(client, poke)


async def test_a_pod_that_is_asked_in_vain_again_and_again_is_not_annotated_each_time(
    with_kinds: ApiServer, user: str, client: Client, poke: Poke
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        async with aiohttp.ClientSession() as session:
            poker = Poker(client, session, nobody.getsockname()[1])
            for _ in range(3):
                poker.poke([poke])
                await poker.idle()
    assert sum(audit.calls(with_kinds.audit_log, user=user, verb="patch", resource="pods").values()) == 1


async def test_a_device_that_does_not_understand_is_annotated_too(
    client: Client, poke: Poke, device: tuple[Device, int]
) -> None:
    answering, port = device
    answering.status = 404
    await poked(client, port, poke)
    assert await annotated(client, poke)


async def test_a_device_that_is_cut_off_is_asked_at_no_cost_to_the_api_server(client: Client, poke: Poke) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        await poked(client, nobody.getsockname()[1], replace(poke, insist=False))
    assert not await annotated(client, poke)


async def test_a_pod_that_is_gone_or_has_no_address_is_no_error(client: Client, poke: Poke) -> None:
    await poked(client, 9, Poke(poke.namespace, "gone", "127.0.0.1"), Poke(poke.namespace, "device", ""))
    assert not await annotated(client, poke)
