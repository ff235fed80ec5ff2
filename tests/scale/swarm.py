"""A fleet of simulated devices around a real operator and a real API server.

    async with swarm(500) as fleet:
        await fleet.release("2.0.0")
        await fleet.serving("2.0.0", fleet.online)

Real: etcd, API server, DaemonSet controller, the operator as a process, tokens, TLS, reports, plans, pokes. Played:
nodes and kubelets (kubelets.py), and what a device does with a model (device.py).
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from edgewise.contract.plan import Plan
from tests.apiserver.kinds import install_kinds
from tests.apiserver.operator.process import OperatorProcess, operator
from tests.cases.manifests import VARIANT, manifest
from tests.cluster.apiserver import ApiServer, api_server
from tests.cluster.ports import free_port
from tests.scale.api import Api, Body, connected
from tests.scale.kubelets import Announced, Kubelets
from tests.scale.machines import Machine, switched_on

NAMESPACE = "edge"
FIRST = "1.0.0"
"""Version that all devices serve at the start."""
_EDGE = f"/apis/edgewise.dev/v1alpha1/namespaces/{NAMESPACE}"
_CONTROLLERS = "daemonset-controller,serviceaccount-controller"
_LOST = ("NoSchedule", "NoExecute")
_UNREACHABLE = [{"key": "node.kubernetes.io/unreachable", "effect": effect} for effect in _LOST]


@dataclass
class Swarm:
    """Change the world with its verbs, and wait for what shall come of it."""

    server: ApiServer
    api: Api
    operator: OperatorProcess
    kubelets: Kubelets
    machines: dict[str, Machine]
    _healing: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def online(self) -> list[Machine]:
        return [machine for machine in self.machines.values() if machine.link.is_set()]

    async def release(self, version: str, precisions: Sequence[str] = ("INT8",)) -> float:
        """A person applies a new version of the model, with a build of each precision. The moment it was taken, on the
        loop's clock."""
        await self.api.patch(f"{_EDGE}/edgemodels/digits", {"spec": _model(version, precisions)})
        return asyncio.get_running_loop().time()

    async def edit(self, **spec: Any) -> None:
        """A person changes the EdgeDeployment."""
        await self.api.patch(f"{_EDGE}/edgedeployments/digits", {"spec": spec})

    async def status(self) -> Body:
        found: Body = (await self.api.get(f"{_EDGE}/edgedeployments/digits")).get("status", {})
        return found

    async def cut(self, machines: Iterable[Machine]) -> None:
        """Off the network; the node controller says so at once (in truth, after most of a minute)."""
        chosen = list(machines)
        for machine in chosen:
            machine.link.clear()
        await asyncio.gather(*(self._seen(machine, "Unknown", _UNREACHABLE) for machine in chosen))

    async def heal(self, machines: Iterable[Machine], kubelet_late: float = 0.0) -> float:
        """Back on the network; kubelets write it `kubelet_late` seconds later. The moment of the first."""
        chosen = list(machines)
        for machine in chosen:
            machine.link.set()
        healed = asyncio.get_running_loop().time()
        task = asyncio.create_task(self._confirm(chosen, kubelet_late))
        self._healing.add(task)
        task.add_done_callback(self._healing.discard)
        return healed

    async def serving(self, version: str, machines: Iterable[Machine], patience: float = 60.0) -> float:
        """Waits until all of them serve it; when the last one began."""
        chosen = list(machines)

        def lacking() -> list[str]:
            return [machine.name for machine in chosen if machine.version != version]

        async with _limit(patience, lambda: f"{version} is not served by {len(lacking())}: {lacking()[:5]}"):
            while lacking():
                await asyncio.sleep(0.02)
        return max(machine.serves_since(version) for machine in chosen)

    async def settled(self, version: str, patience: float = 60.0) -> None:
        """Waits until that version is the stable one, every device that can be reached has heard so, and nothing is
        going on."""
        seen: Body = {"metadata": {}, "status": {}}
        async with _limit(patience, lambda: f"{version} has not come to rest: {seen['status']}"):
            while not (_at_rest(seen, len(self.online)) and self.stable == version):
                await asyncio.sleep(0.1)
                seen = await self.api.get(f"{_EDGE}/edgedeployments/digits")

    async def taken_back(self, version: str, patience: float = 60.0) -> float:
        """Waits until the plan that went to that version no longer does; the moment the first such plan was seen."""

        def after() -> list[Announced]:
            plans = self.kubelets.announced
            going = [number for number, one in enumerate(plans) if _version(one.plan, "target") == version]
            return plans[going[-1] + 1 :] if going else []

        said: Body = {}
        async with _limit(patience, lambda: f"{version} is not taken back: {said}"):
            while not after():
                await asyncio.sleep(0.1)
                said = await self.status()
        return after()[0].at

    @property
    def stable(self) -> str:
        """Version of the release that the newest plan calls so; empty: none yet."""
        return _version(self.kubelets.announced[-1].plan, "stable") if self.kubelets.announced else ""

    async def _confirm(self, machines: Iterable[Machine], late: float) -> None:
        await asyncio.sleep(late)
        await asyncio.gather(*(self._seen(machine, "True", []) for machine in machines))

    async def _seen(self, machine: Machine, ready: str, taints: list[Body]) -> None:
        """What everybody can read of a node's health."""
        await self.api.patch(f"/api/v1/nodes/{machine.name}/status", {"status": {"conditions": [_ready(ready)]}})
        await self.api.patch(f"/api/v1/nodes/{machine.name}", {"spec": {"taints": taints}})


@asynccontextmanager
async def swarm(size: int, precisions: Sequence[str] = ("INT8",), **deployment: Any) -> AsyncIterator[Swarm]:
    """`size` devices that serve FIRST, in builds of these precisions, and have come to rest. deployment: members of the
    EdgeDeployment's spec."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="edgewise-swarm-") as name:  # plans are kept with fsync
        folder = Path(name)
        with api_server(controllers=_CONTROLLERS) as server:
            install_kinds(server.client)
            for namespace in ("edgewise-system", NAMESPACE):
                server.client.post("/api/v1/namespaces", {"metadata": {"name": namespace}})
            async with connected(server) as api, switched_on(size) as machines:
                with _operator(server, folder / "operator.log") as running:
                    kubelets = Kubelets(api, NAMESPACE, machines, folder)
                    fleet = Swarm(server, api, running, kubelets, machines)
                    async with _alive(kubelets):
                        await _populated(fleet, _model(FIRST, precisions), deployment)
                        yield fleet


def _operator(server: ApiServer, log: Path) -> AbstractContextManager[OperatorProcess]:
    port = free_port()
    url = f"https://127.0.0.1:{port}/v1/report"
    return operator(server, "operator", log, EDGEWISE_REPORTS_PORT=str(port), EDGEWISE_REPORT_URL=url)


async def _populated(fleet: Swarm, model: Body, deployment: Body) -> None:
    await asyncio.gather(*(_join(fleet.api, machine) for machine in fleet.machines.values()))
    await fleet.api.post(f"{_EDGE}/edgemodels", manifest("EdgeModel", model))
    spec = {"models": [{"name": "digits"}], **deployment}
    await fleet.api.post(f"{_EDGE}/edgedeployments", manifest("EdgeDeployment", spec))
    await fleet.serving(FIRST, fleet.machines.values(), patience=120)
    await fleet.settled(FIRST)


@asynccontextmanager
async def _alive(kubelets: Kubelets) -> AsyncIterator[None]:
    """An error in any device or kubelet ends the block."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(kubelets.run())
        yield
        task.cancel()


async def _join(api: Api, machine: Machine) -> None:
    """A node as its kubelet registers it, past the taint that the API server gives to every new one."""
    status = {"allocatable": {"memory": "8Gi", "pods": "110"}, "conditions": [_ready("True")]}
    body = {"metadata": {"name": machine.name, "labels": machine.labels}, "status": status}
    await api.post("/api/v1/nodes", body)
    await api.patch(f"/api/v1/nodes/{machine.name}", {"spec": {"taints": []}})


def _version(plan: Plan, role: Literal["stable", "target"]) -> str:
    """Of the model in the plan's stable or target release; empty: there is none."""
    name = plan.stable if role == "stable" else plan.target
    return next((release.models[0].version for release in plan.releases if release.name == name), "")


def _at_rest(deployment: Body, online: int) -> bool:
    """The operator has seen it as it is, has nothing left to do, and so many devices follow its newest plan."""
    status: Body = deployment.get("status", {})
    said = {entry["type"]: entry["status"] for entry in status.get("conditions", ())}
    seen = status.get("observedGeneration") == deployment["metadata"].get("generation")
    followed = status.get("plan", {}).get("followed", 0) >= online
    return seen and followed and said.get("Ready") == "True" and "Reconciling" not in said


def _ready(status: str) -> Body:
    return {"type": "Ready", "status": status, "reason": "Swarm", "message": ""}


def _model(version: str, precisions: Sequence[str]) -> Body:
    """Other files for each version; nobody fetches them."""
    return {"version": version, "variants": [_build(version, precision) for precision in precisions]}


def _build(version: str, precision: str) -> Body:
    digest = hashlib.sha256(f"{version} {precision}".encode()).hexdigest()
    source = {"uri": "https://models.example/digits.onnx", "sha256": digest}
    return {**VARIANT, "name": precision.lower(), "precision": precision, "source": source}


@asynccontextmanager
async def _limit(seconds: float, what: Callable[[], str]) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise AssertionError(f"after {seconds:.0f} s {what()}") from None
