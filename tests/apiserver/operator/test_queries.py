"""Rollouts that ask a Prometheus: a real one, a real API server, real reports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from edgewise.cluster.client import Client
from edgewise.controller.gather import Gatherer
from edgewise.controller.inquiries import Inquiries
from edgewise.controller.prometheus import Prometheus
from edgewise.core.observed import Settings
from tests.apiserver.operator.devices import Fleet, fleet
from tests.apiserver.operator.process import operator
from tests.apiserver.operator.test_rollout import SOAK, reason
from tests.cases.manifests import SMALL_DEPLOYMENT
from tests.cluster.apiserver import ApiServer
from tests.stage.prometheus import scraping
from tests.unit.answering import answering, number

pytestmark = pytest.mark.apiserver
BAD = 'label_replace(vector(0.5), "release", "{{release}}", "", "")'
GOOD = 'vector(0.1) unless up{namespace="{{namespace}}", pod=~"{{name}}-.*"}'


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with scraping({}, tmp_path_factory.mktemp("prometheus")) as running:
        yield Prometheus(running.url)


@asynccontextmanager
async def asking(
    api: ApiServer, client: Client, namespace: str, promql: str, prometheus: Prometheus
) -> AsyncIterator[tuple[Fleet, Inquiries]]:
    """Three devices that serve 1.0.0, one of which has got 2.0.0 by now."""
    rollout = {"waves": [{"nodes": 1}], "gates": {"soak": "60s"}}
    rollout["gates"] |= {"query": [{"name": "scrap", "promql": promql, "max": "0.2"}]}  # type: ignore[operator]
    async with fleet(api, client, namespace, ["pi-1", "pi-2", "pi-3"], rollout=rollout) as made:
        bench = made.bench
        inquiries = Inquiries(bench.store, prometheus, clock=lambda: made.now)
        bench.gatherer = Gatherer(bench.store, bench.book, lambda: Settings(prometheus=True), inquiries.answers)
        await made.look()
        await made.look(SOAK)
        await made.version("2.0.0")
        await made.look()
        yield made, inquiries


async def test_a_wave_waits_for_an_answer_and_goes_on_with_a_good_one(
    with_kinds: ApiServer, client: Client, namespace: str, prometheus: Prometheus
) -> None:
    async with asking(with_kinds, client, namespace, GOOD, prometheus) as (made, inquiries):
        await inquiries.round()
        assert reason(await made.look(SOAK)) == ("False", "QueryUnanswered"), "it was asked before the soak ended"
        await inquiries.round()
        status = await made.look()
        assert (len(made.having("2.0.0")), status["rollout"]["wave"]) == (3, 2)
        assert "query scrap 0.1" not in status["rollout"]["evidence"], "of the wave before"
        await made.look(SOAK)
        await inquiries.round()
        assert reason(await made.look(5)) == ("True", "Serving")


async def test_a_bad_answer_three_times_in_a_row_returns_the_fleet_and_says_why(
    with_kinds: ApiServer, client: Client, namespace: str, prometheus: Prometheus
) -> None:
    async with asking(with_kinds, client, namespace, BAD, prometheus) as (made, inquiries):
        for _ in range(2):
            made.now += 15
            await inquiries.round()
        status = await made.look()
        assert reason(status) == ("False", "Soaking")
        assert "query scrap 0.5" in status["rollout"]["evidence"]
        await inquiries.round()
        status = await made.look()
        assert reason(status) == ("False", "ReleaseRejected")
        release = status["rollout"]["release"]
        why = f"QueryAboveMax: query scrap is 0.5 (release={release}); max allows 0.2, 3 times in a row"
        assert status["rollout"]["reason"] == why
        await made.look()
        assert made.having("2.0.0") == set()
        await inquiries.round()
        assert inquiries.answers() == {}


async def test_the_process_asks_where_its_settings_say_with_the_token_that_lies_there(
    with_kinds: ApiServer, namespace: str, user: str, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("reader")
    heard: list[tuple[str, str | None]] = []

    async def listening(request: web.Request) -> web.Response:
        heard.append((request.query["query"], request.headers.get("Authorization")))
        return number(0)

    query = {"name": "scrap", "promql": 'scrap{release="{{release}}"}', "max": "1"}
    body = {**SMALL_DEPLOYMENT, "metadata": {"name": "digits", "namespace": namespace}}
    body["spec"] = {**body["spec"], "rollout": {"gates": {"query": [query]}}}
    path = f"/apis/edgewise.dev/v1alpha1/namespaces/{namespace}/edgedeployments"
    with_kinds.client.post(path, body)
    # Its EdgeModel is missing, so the operator leaves the status as it is, and the release on its way.
    going = {"release": {"target": "2.0.0-b"}, "rollout": {"release": "2.0.0-b", "wave": 1}}
    with_kinds.client.patch(f"{path}/digits/status", {"status": going})
    async with answering(listening) as url:
        where = {"EDGEWISE_PROMETHEUS_URL": url, "EDGEWISE_PROMETHEUS_CREDENTIALS": str(tmp_path)}
        # Other tests have this API server, too: no profiles for them.
        mine = {"EDGEWISE_NAMESPACE": namespace, "EDGEWISE_WATCH_NAMESPACES": namespace, "EDGEWISE_CATALOGUE": "false"}
        with operator(with_kinds, user, tmp_path / "log", None, **mine, **where) as running:
            await asyncio.to_thread(running.until, "it asked", lambda: bool(heard))
    assert heard[0] == ('scrap{release="2.0.0-b"}', "Bearer reader")
