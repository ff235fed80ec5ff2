"""The whole program as a pod runs it: `edgewise-runtime agent`, a mounted plan, a file server, an operator, load."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from edgewise.contract.plan import Plan
from tests.runtime.agent.devices import mount
from tests.runtime.agent.documents import plan, release, source
from tests.runtime.agent.fileserver import FileServer, file_server
from tests.runtime.agent.operators import Operator, operator
from tests.runtime.agent.pods import pod
from tests.runtime.agent.tinymodels import ONE, TWO
from tests.runtime.agent.waiting import until


@pytest.fixture
async def boss(tmp_path: Path) -> AsyncIterator[Operator]:
    async with operator(tmp_path) as running:
        yield running


def planned(boss: Operator, server: FileServer, sequence: int, target: str) -> Plan:
    releases = [
        release("r1", {"digits": source(server.url + "/r1", ONE)}),
        release("r2", {"digits": source(server.url + "/r2", TWO)}, "2.0.0"),
    ]
    return plan(sequence, *releases, target=target, stable=target, reporting=boss.reporting())


async def test_a_switch_under_load_loses_no_request_and_is_reported(boss: Operator, tmp_path: Path) -> None:
    async with file_server() as server, aiohttp.ClientSession() as http:
        server.files = {"/r1": ONE, "/r2": TWO}
        mount(tmp_path / "plan", planned(boss, server, 1, "r1"))
        async with pod(tmp_path) as edge:
            await until(lambda: boss.reports and boss.reports[-1].serving == "r1", "r1 is reported as served")
            answers: list[tuple[int, float | None]] = []
            done = asyncio.Event()

            async def client() -> None:
                while not done.is_set():
                    answers.append(await edge.ask(http))

            clients = [asyncio.ensure_future(client()) for _ in range(4)]
            await until(lambda: (200, 1.0) in answers, "the first release answers")
            boss.plan = planned(boss, server, 2, "r2")
            await edge.poke(http)
            await until(lambda: (200, 2.0) in answers, "the second release answers")
            await until(lambda: boss.reports[-1].serving == "r2", "r2 is reported as served")
            await until(lambda: boss.reports[-1].models[0].state == "Ready", "r2 is reported as ready")
            done.set()
            await asyncio.gather(*clients)
            assert set(answers) == {(200, 1.0), (200, 2.0)}
            assert await edge.stop() == 0


async def test_a_restarted_pod_serves_from_its_cache_with_everybody_gone(tmp_path: Path) -> None:
    async with operator(tmp_path) as boss, file_server() as server:
        server.files = {"/r1": ONE}
        mount(tmp_path / "plan", planned(boss, server, 1, "r1"))
        async with pod(tmp_path):
            await until(lambda: boss.reports and boss.reports[-1].serving == "r1", "r1 is reported as served")
    async with aiohttp.ClientSession() as http, pod(tmp_path) as edge:
        await until(lambda: edge.served("r1"), "the pod serves")
        assert await edge.ask(http) == (200, 1.0)
        assert await edge.stop() == 0


async def test_a_switch_while_the_operator_is_gone_comes_from_the_mounted_plan(boss: Operator, tmp_path: Path) -> None:
    async with file_server() as server, aiohttp.ClientSession() as http:
        server.files = {"/r1": ONE, "/r2": TWO}
        boss.status = 503
        mount(tmp_path / "plan", planned(boss, server, 1, "r1"))
        async with pod(tmp_path) as edge:
            await until(lambda: boss.reports and boss.reports[-1].serving == "r1", "r1 serves")
            mount(tmp_path / "plan", planned(boss, server, 2, "r2"))
            await until(lambda: edge.served("r2"), "r2 serves")
            assert await edge.ask(http) == (200, 2.0)
