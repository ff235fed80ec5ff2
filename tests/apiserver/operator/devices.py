"""A small fleet in a real API server: nodes and pods are objects, devices are a few lines that do as their plan says.

They report over real TLS with real projected tokens, so everything between a device's word and the next plan is real.
Time is the test's: the operator is told it, and looks when the test says so.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from edgewise.api.names import DEPLOYMENT_LABEL, MANAGED_BY, PROFILE_LABEL, REPORT_AUDIENCE, ROLE_LABEL, RUNTIME_ROLE
from edgewise.cluster.client import Client
from edgewise.cluster.resources import EDGE_DEPLOYMENT
from edgewise.contract.plan import Plan
from edgewise.contract.report import ModelReport, Report, ReportReply
from edgewise.controller.certificates import certificates_for
from edgewise.controller.door import Door
from edgewise.controller.keys import Key
from edgewise.controller.metrics import Metrics
from edgewise.controller.reconciler import Reconciler
from edgewise.controller.reports import Desk, Reports, serve_reports
from edgewise.controller.settings import OperatorSettings
from edgewise.controller.tokens import TokenVerifier
from edgewise.core import deployment
from tests.apiserver.operator.bench import Bench
from tests.cases.manifests import VARIANT, Manifest, manifest
from tests.cluster.apiserver import ApiServer
from tests.cluster.ports import free_port


@dataclass
class Device:
    """One node's."""

    node: str
    pod: str
    token: str
    serving: str | None = None
    plan: Plan | None = None

    def report(self, of: Key, uid: str, profile: str, broken: set[str]) -> Report:
        """Of the release its plan wants, which it serves by now unless that does not load."""
        wanted = self.plan.wanted(self.node) if self.plan is not None else ""
        fails = wanted.partition("-")[0] in broken
        if wanted and not fails:
            self.serving = wanted
        state: Any = "Failed" if fails else "Ready"
        said = ModelReport(name="digits", version="1", variant="int8", state=state, message="no such operator")
        return Report.model_validate(
            {
                "deployment": {"namespace": of.namespace, "name": of.name, "uid": uid},
                "pod": self.pod, "node": self.node, "profile": profile, "boot": "1",
                "sequence": self.plan.sequence if self.plan is not None else 0,
                "serving": self.serving, "release": wanted, "models": [said],
            }
        )  # fmt: skip


@dataclass
class Fleet:
    """One EdgeDeployment, its devices, and the operator's parts, which a restart makes anew."""

    api: ApiServer
    client: Client
    session: aiohttp.ClientSession
    namespace: str
    bench: Bench
    key: Key
    now: float = 1_700_000_000.0
    devices: list[Device] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    """Versions that do not load."""
    _running: AsyncExitStack = field(default_factory=AsyncExitStack)
    _trusting: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    _url: str = ""
    _uid: str = ""

    @property
    def profile(self) -> str:
        return f"{self.namespace}-device"

    async def start(self) -> None:
        """The operator begins, with nothing but what the API server has."""
        await self.stop()
        self.bench = Bench(self.client, self.session, self.namespace)
        self.bench.book.since = self.now
        settings = OperatorSettings(namespace=self.namespace, report_url="https://127.0.0.1/v1/report")
        certificates, port = certificates_for(settings, self.client), free_port()
        await certificates.ready()
        verifier, metrics, bench = TokenVerifier(self.client), Metrics(), self.bench
        desk = Desk(verifier, bench.store, bench.gatherer, bench.book, bench.queue, metrics, lambda: self.now)
        await self._running.enter_async_context(serve_reports(Door(port, certificates.tls, most=8), Reports(desk)))
        self._trusting = ssl.create_default_context(cadata=certificates.authority)
        self._url = f"https://127.0.0.1:{port}/v1/report"
        self._uid = (await bench.get("EdgeDeployment", "digits"))["metadata"]["uid"]
        await bench.catch_up()

    async def stop(self) -> None:
        self.bench.queue.close()
        await self._running.aclose()

    async def look(self, seconds: float = 0.0) -> Manifest:
        """Time passes, devices report and do as they are told, the operator looks until it has seen that; the status
        then."""
        self.now += seconds
        await self._report(self.devices)
        for _ in range(3):
            await self._reconcile()
            plan = self.bench.gatherer.plan(self._uid)
            late = [one for one in self.devices if plan is not None and one.plan != plan]
            await self._report(late)  # as if poked
            await self._report(late)  # having done as it says
        return (await self.bench.get("EdgeDeployment", "digits"))["status"]  # type: ignore[no-any-return]

    async def version(self, version: str) -> None:
        """A person sets it."""
        sha = f"{version.replace('.', ''):0<64}"
        variant = {**VARIANT, "source": {"uri": "https://models.example/digits.onnx", "sha256": sha}}
        body = manifest("EdgeModel", {"version": version, "variants": [variant]})
        body["metadata"]["namespace"] = self.namespace
        await self.client.apply(body, "kubectl")

    def having(self, version: str) -> set[str]:
        return {device.node for device in self.devices if (device.serving or "").startswith(f"{version}-")}

    async def _reconcile(self) -> None:
        self.bench.clock += 2.0  # status writes are a second apart
        await self.bench.catch_up()
        look = Reconciler(
            EDGE_DEPLOYMENT, self.bench.gatherer.deployment, deployment.decide, self.bench.effects, lambda: self.now
        )
        await look(self.key)

    async def _report(self, devices: Sequence[Device]) -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=self._trusting)) as session:
            for device in devices:
                said = device.report(self.key, self._uid, self.profile, self.broken)
                headers = {"Authorization": f"Bearer {device.token}"}
                async with session.post(self._url, data=said.model_dump_json(by_alias=True), headers=headers) as answer:
                    assert answer.status == 200, await answer.text()
                    reply = ReportReply.model_validate_json(await answer.read())
                device.plan = reply.plan or device.plan


@asynccontextmanager
async def fleet(
    api: ApiServer, client: Client, namespace: str, names: Sequence[str], **spec: Any
) -> AsyncIterator[Fleet]:
    """Devices on new nodes, and an EdgeDeployment for them that nobody has looked at; `spec`: of it."""
    async with aiohttp.ClientSession() as session:
        made = Fleet(
            api,
            client,
            session,
            namespace,
            Bench(client, session, namespace),
            Key("EdgeDeployment", namespace, "digits"),
        )
        term = {"matchExpressions": [{"key": "site", "operator": "In", "values": [namespace]}]}
        profile = {"nodeSelectorTerms": [term], "variants": [{"format": "ONNX", "precision": "INT8"}]}
        await client.apply(manifest("DeviceProfile", profile, made.profile), "kubectl")
        api.client.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "default"}})
        await made.version("1.0.0")
        where = {"placement": {"nodeSelector": {"site": namespace}}, "serving": {"image": "registry.example/runtime:1"}}
        body = manifest("EdgeDeployment", {"models": [{"name": "digits"}], **where, **spec})
        body["metadata"]["namespace"] = namespace
        await client.apply(body, "kubectl")
        made.devices = [_device(made, f"{name}-{namespace}") for name in names]
        await made.start()
        yield made
        await made.stop()
        for name in [device.node for device in made.devices]:  # what is of no namespace others would see
            api.client.raw("DELETE", f"/api/v1/nodes/{name}")
        api.client.raw("DELETE", f"/apis/edgewise.dev/v1alpha1/deviceprofiles/{made.profile}")


def _device(of: Fleet, node: str) -> Device:
    """A ready node with a ready pod."""
    client, pods = of.api.client, f"/api/v1/namespaces/{of.namespace}/pods"
    client.post("/api/v1/nodes", {"metadata": {"name": node, "labels": {"site": of.namespace}}})
    client.patch(f"/api/v1/nodes/{node}/status", {"status": {"conditions": [{"type": "Ready", "status": "True"}]}})
    labels = {DEPLOYMENT_LABEL: "digits", MANAGED_BY: "edgewise", PROFILE_LABEL: of.profile, ROLE_LABEL: RUNTIME_ROLE}
    containers = [{"name": "runtime", "image": "registry.example/runtime:1"}]
    spec = {"nodeName": node, "containers": containers}
    client.post(pods, {"metadata": {"name": f"pod-{node}", "labels": labels}, "spec": spec})
    uid = client.get(f"{pods}/pod-{node}")["metadata"]["uid"]
    ready = {"phase": "Running", "conditions": [{"type": "ContainersReady", "status": "True"}]}
    client.patch(f"{pods}/pod-{node}/status", {"status": ready})
    bound = {"apiVersion": "v1", "kind": "Pod", "name": f"pod-{node}", "uid": uid}
    path = f"/api/v1/namespaces/{of.namespace}/serviceaccounts/default/token"
    answer = client.raw("POST", path, {"spec": {"audiences": [REPORT_AUDIENCE], "boundObjectRef": bound}})
    return Device(node, f"pod-{node}", str(json.loads(answer)["status"]["token"]))
