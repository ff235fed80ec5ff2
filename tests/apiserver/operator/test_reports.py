"""The reports server over real TLS, with real projected tokens of a real API server."""

from __future__ import annotations

import asyncio
import json
import ssl
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from edgewise.api.names import DEPLOYMENT_LABEL, GATEWAY_ROLE, REPORT_AUDIENCE, ROLE_LABEL
from edgewise.cluster.client import Client
from edgewise.contract.plan import PLAN_KEY
from edgewise.contract.plan import Plan as DevicePlan
from edgewise.contract.report import Report, ReportReply
from edgewise.controller.certificates import Certificates, certificates_for
from edgewise.controller.door import Door
from edgewise.controller.keys import Key
from edgewise.controller.metrics import Metrics
from edgewise.controller.reports import LARGEST, Desk, Reports, serve_reports
from edgewise.controller.settings import OperatorSettings
from edgewise.controller.tokens import TokenVerifier
from edgewise.core.outcome import Plan
from tests.apiserver.operator import children
from tests.apiserver.operator.bench import Bench
from tests.cluster import audit
from tests.cluster.apiserver import ApiServer
from tests.cluster.ports import free_port

pytestmark = pytest.mark.apiserver


@dataclass
class Site:
    """A reports server, and one device with its pod."""

    bench: Bench
    api: ApiServer
    desk: Desk
    url: str
    session: aiohttp.ClientSession
    key: Key
    node: str
    deployment_uid: str
    certificates: Certificates

    def token(self, pod: str = "device", audience: str = REPORT_AUDIENCE) -> str:
        """A token as the kubelet would project it into the pod."""
        path = f"/api/v1/namespaces/{self.bench.namespace}/serviceaccounts/default/token"
        uid = self.api.client.get(f"/api/v1/namespaces/{self.bench.namespace}/pods/{pod}")["metadata"]["uid"]
        bound = {"apiVersion": "v1", "kind": "Pod", "name": pod, "uid": uid}
        answer = self.api.client.raw("POST", path, {"spec": {"audiences": [audience], "boundObjectRef": bound}})
        return str(json.loads(answer)["status"]["token"])

    def report(self, **changes: Any) -> Report:
        base: dict[str, Any] = {
            "deployment": {"namespace": self.bench.namespace, "name": "digits", "uid": self.deployment_uid},
            "pod": "device",
            "node": self.node,
            "profile": "generic-arm64",
            "boot": "1",
            "sequence": 3,
            "release": "1.0.0-abc",
        }
        return Report.model_validate({**base, **changes})

    async def send(self, body: Report | str, token: str | None = None) -> tuple[int, dict[str, Any]]:
        text = body if isinstance(body, str) else body.model_dump_json(by_alias=True)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.session.post(self.url, data=text, headers=headers) as answer:
            return answer.status, await answer.json()

    async def node_is(self, ready: bool) -> None:
        """What its kubelet would say."""
        condition = {"type": "Ready", "status": str(ready), "reason": "Test", "message": ""}
        self.api.client.patch(f"/api/v1/nodes/{self.node}/status", {"status": {"conditions": [condition]}})
        await self.bench.catch_up()

    def result(self, name: str) -> float:
        return self.desk.metrics.registry.get_sample_value("edgewise_operator_reports_total", {"result": name}) or 0


@pytest.fixture
async def site(with_kinds: ApiServer, client: Client, namespace: str) -> AsyncIterator[Site]:
    settings = OperatorSettings(namespace=namespace, report_url="https://127.0.0.1/v1/report")
    certificates = certificates_for(settings, client)
    await certificates.ready()
    trusting = ssl.create_default_context(cadata=certificates.authority)
    connector = aiohttp.TCPConnector(ssl=trusting)
    async with aiohttp.ClientSession(connector=connector) as session:
        bench = Bench(client, session, namespace)
        node = f"pi-{uuid.uuid4().hex[:8]}"
        await bench.node(node)
        service_account(with_kinds, namespace)
        for name, of in (("device", "digits"), ("stranger", "faces")):
            pod(with_kinds, namespace, name, of, node)
        key = await bench.deployment()
        bench.store.complete = True
        desk = Desk(
            TokenVerifier(client), bench.store, bench.gatherer, bench.book, bench.queue, Metrics(), clock=lambda: 1000.0
        )
        uid = (await bench.get("EdgeDeployment", "digits"))["metadata"]["uid"]
        port = free_port()
        async with serve_reports(Door(port, certificates.tls, most=8), Reports(desk)):
            url = f"https://127.0.0.1:{port}/v1/report"
            yield Site(bench, with_kinds, desk, url, session, key, node, uid, certificates)
        bench.queue.close()


def service_account(api: ApiServer, namespace: str) -> None:
    api.client.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "default"}})


def pod(api: ApiServer, namespace: str, name: str, of: str, node: str, **more: str) -> None:
    """more: labels."""
    labels = {DEPLOYMENT_LABEL: of, "app.kubernetes.io/managed-by": "edgewise", **more}
    containers = [{"name": "runtime", "image": "runtime:1"}]
    body = {"metadata": {"name": name, "labels": labels}, "spec": {"nodeName": node, "containers": containers}}
    api.client.post(f"/api/v1/namespaces/{namespace}/pods", body)


async def test_a_device_that_speaks_for_itself_is_heard(site: Site) -> None:
    site.bench.waiting()
    assert await site.send(site.report(serving="1.0.0-abc"), site.token()) == (200, {})
    received = site.bench.book.of(*site.key[1:])["device"]
    assert (received.at, received.report.serving) == (1000.0, "1.0.0-abc")
    assert site.bench.waiting() == {site.key}
    assert site.result("accepted") == 1


async def test_news_of_one_of_many_is_looked_at_a_moment_later(site: Site) -> None:
    for number in range(10):
        site.bench.book.enter(site.report(pod=f"device-{number}"), 1000.0)
    site.bench.waiting()
    assert (await site.send(site.report(), site.token()))[0] == 200
    assert await asyncio.wait_for(site.bench.queue.get(), 30.0) == site.key


async def test_a_gateway_is_heard_as_what_it_is(site: Site) -> None:
    pod(site.api, site.bench.namespace, "gateway", "digits", site.node, **{ROLE_LABEL: GATEWAY_ROLE})
    await site.bench.catch_up()
    assert (await site.send(site.report(pod="gateway", profile=""), site.token("gateway")))[0] == 200
    observed = site.bench.gatherer.deployment(site.key)
    assert observed is not None
    assert (set(observed.reports), set(observed.gateway.reports)) == (set(), {"gateway"})


async def test_the_reply_has_the_plan_when_the_device_follows_an_older_one(site: Site) -> None:
    plan = DevicePlan(
        deployment={"namespace": site.bench.namespace, "name": "digits", "uid": site.deployment_uid},
        sequence=4,
        target="1.0.0-abc",
        releases=[],
        profiles={},
    )
    text = plan.model_dump_json(by_alias=True, exclude_none=True)
    decide = site.bench.reconciler(
        lambda observed, _: Plan(apply=(children.config_map(observed, "digits-plan", **{PLAN_KEY: text}),))
    )
    await decide(site.key)
    _, older = await site.send(site.report(sequence=3), site.token())
    _, same = await site.send(site.report(sequence=4), site.token())
    assert ReportReply.model_validate(older).plan == plan
    assert same == {}


async def test_another_latency_is_a_reason_to_look_at_the_deployment(site: Site) -> None:
    token = site.token()
    digits = {"name": "digits", "version": "1.0.0", "variant": "fp32", "state": "Ready", "throughput": 400}
    for latency, looked_at in ((0.0024, {site.key}), (0.0024, set()), (0.0036, {site.key})):
        site.bench.waiting()
        status, _ = await site.send(site.report(models=[{**digits, "latency": latency, "fastest": latency}]), token)
        assert (status, site.bench.waiting()) == (200, looked_at)


async def test_counters_alone_are_kept_but_no_reason_to_look_at_the_deployment(site: Site) -> None:
    token = site.token()
    await site.send(site.report(), token)
    site.bench.waiting()
    await site.send(site.report(counters={"1.0.0-abc": {"requests": 9}}), token)
    assert site.bench.waiting() == set()
    assert site.bench.book.of(*site.key[1:])["device"].report.counters["1.0.0-abc"].requests == 9
    await site.send(site.report(sequence=4), token)
    assert site.bench.waiting() == {site.key}


async def test_a_report_from_a_node_that_is_not_ready_is_marked_as_such_and_is_news(site: Site) -> None:
    token = site.token()
    assert (await site.send(site.report(), token))[0] == 200
    for ready, news in ((True, {site.key}), (False, {site.key}), (False, set())):
        await site.node_is(ready)
        site.bench.waiting()
        await site.send(site.report(), token)
        assert site.bench.waiting() == news
        assert site.bench.book.of(*site.key[1:])["device"].node_unready is not ready


async def test_the_api_server_is_asked_for_its_keys_once_and_not_for_every_report(site: Site, user: str) -> None:
    for _ in range(3):
        assert (await site.send(site.report(), site.token()))[0] == 200
    assert (await site.send(site.report(), site.token().replace("eyJ", "eyK", 1)))[0] == 401
    calls = audit.calls(site.api.audit_log, user=user, resource="/openid/v1/jwks")
    assert sum(calls.values()) == 1


async def test_no_token_no_hearing(site: Site) -> None:
    assert (await site.send(site.report()))[0] == 401
    status, answer = await site.send(site.report(), site.token(audience="https://kubernetes.default.svc"))
    assert (status, answer["error"]) == (401, "token refused: Audience doesn't match")
    assert site.result("unauthenticated") == 2


FORGERIES: dict[str, dict[str, Any]] = {
    "for another pod": {"pod": "stranger"},
    "for another node": {"node": "elsewhere"},
    "for another namespace": {"deployment": {"namespace": "elsewhere", "name": "digits", "uid": "1"}},
    "for another deployment in its namespace": {"deployment": {"name": "faces"}},
    "for a deployment that was made anew": {"deployment": {"uid": "another"}},
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
async def test_a_device_cannot_speak(site: Site, forgery: dict[str, Any]) -> None:
    honest = site.report().model_dump(by_alias=True)
    changes = {key: {**honest[key], **value} if key == "deployment" else value for key, value in forgery.items()}
    status, answer = await site.send(site.report(**changes), site.token())
    assert (status, site.result("forbidden")) == (403, 1), answer
    assert site.bench.book.of(*site.key[1:]) == {}


async def test_the_pod_of_another_deployment_cannot_speak_for_this_one(site: Site) -> None:
    status, answer = await site.send(site.report(pod="stranger"), site.token("stranger"))
    assert (status, answer["error"]) == (403, "this pod is no runtime pod of that EdgeDeployment")


async def test_a_successor_of_the_same_name_is_another_pod(site: Site) -> None:
    old = site.token()
    site.api.client.raw("DELETE", f"/api/v1/namespaces/{site.bench.namespace}/pods/device", {"gracePeriodSeconds": 0})
    pod(site.api, site.bench.namespace, "device", "digits", site.node)
    await site.bench.catch_up()
    assert (await site.send(site.report(), old))[0] == 403
    assert (await site.send(site.report(), site.token()))[0] == 200


async def test_what_is_no_report_is_refused_with_the_field_that_is_wrong(site: Site) -> None:
    token = site.token()
    status, answer = await site.send('{"pod": 3}', token)
    assert (status, answer["error"]) == (400, "deployment: Field required")
    status, answer = await site.send("x" * (LARGEST + 1), token)
    assert (status, answer["error"]) == (413, "a report has at most 65536 bytes")


async def test_while_the_operator_is_starting_devices_are_asked_to_come_again(site: Site) -> None:
    site.bench.store.complete = False
    assert (await site.send(site.report(), site.token()))[0] == 503


async def test_a_renewed_certificate_is_shown_to_the_next_connection(site: Site) -> None:
    before = site.certificates.authority
    site.api.client.raw("DELETE", f"/api/v1/namespaces/{site.bench.namespace}/secrets/edgewise-operator-tls")
    assert await site.certificates.refresh(), "the Secret is gone, so there is a new authority"
    trusting = ssl.create_default_context(cadata=site.certificates.authority)
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting))
    async with session, session.post(site.url, data="{}") as answer:
        assert answer.status == 401
    assert site.certificates.authority != before
    assert not await site.certificates.refresh(), "nothing is due now"


async def test_a_certificate_that_somebody_else_keeps_is_used_as_it_is(
    with_kinds: ApiServer, client: Client, namespace: str, user: str
) -> None:
    own = certificates_for(OperatorSettings(namespace=namespace), client)
    await own.ready()
    before = audit.calls(with_kinds.audit_log, user=user, verb="patch")
    settings = OperatorSettings(namespace=namespace, certificate_secret="edgewise-operator-tls")
    foreign = certificates_for(settings, client)
    await foreign.ready()
    assert foreign.authority == own.authority
    assert audit.calls(with_kinds.audit_log, user=user, verb="patch") == before
