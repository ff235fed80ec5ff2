"""The kubelets of all simulated nodes, and the scheduler: whatever anybody in the cluster sees of them.

A DaemonSet pod is bound to its node, gets a token bound to pod and node from the API server, an address, a mounted plan
and, once its device answers, readiness; a deleted one ends. Not kwok: five hundred of its heartbeats take more of a
small machine than everything that is measured on it. Mounts are refreshed for a poke's annotation alone: kubelets do it
every minute or two besides, which no figure should owe its value to. Run by the swarm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgewise.api.names import POKE_ANNOTATION, PROFILE_LABEL, PULL_ROLE, REPORT_AUDIENCE, ROLE_LABEL
from edgewise.contract.plan import PLAN_KEY, Plan
from tests.cluster.client import ApiError
from tests.scale.api import Api, Body
from tests.scale.device import Device, Home
from tests.scale.machines import Machine


@dataclass(frozen=True)
class Announced:
    """A plan that the operator wrote into the ConfigMap, and when it was seen there."""

    at: float
    plan: Plan


@dataclass
class _Pod:
    """One that runs here."""

    task: asyncio.Task[None]
    device: Device | None = None
    poke: str = ""
    ending: bool = False


@dataclass
class Kubelets:
    """Of the machines of one namespace."""

    api: Api
    namespace: str
    machines: Mapping[str, Machine]
    folder: Path
    announced: list[Announced] = field(default_factory=list)
    pulled: list[tuple[str, str]] = field(default_factory=list)
    """(node, image) that pods brought there which are for nothing else, in their order."""
    unknown_images: dict[str, str] = field(default_factory=dict)
    """Image that no registry has -> what it answers."""
    _pods: dict[str, _Pod] = field(default_factory=dict)

    async def run(self) -> None:
        """For ever."""
        (self.folder / "plan").mkdir()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._mount_plans(), name="plans")
            async for what, pod in self.api.watch(f"/api/v1/namespaces/{self.namespace}/pods"):
                self._heard(what, pod, tasks)

    @property
    def devices(self) -> list[Device]:
        return [pod.device for pod in self._pods.values() if pod.device is not None]

    async def _mount_plans(self) -> None:
        """One folder for all pods: its content is the same everywhere."""
        async for _, held in self.api.watch(f"/api/v1/namespaces/{self.namespace}/configmaps"):
            text = (held.get("data") or {}).get(PLAN_KEY)
            if text is not None:
                fresh = self.folder / "plan" / "fresh"
                fresh.write_text(text)
                fresh.replace(self.folder / "plan" / PLAN_KEY)
                self.announced.append(Announced(asyncio.get_running_loop().time(), Plan.model_validate_json(text)))

    def _heard(self, what: str, pod: Body, tasks: asyncio.TaskGroup) -> None:
        uid = pod["metadata"]["uid"]
        known = self._pods.get(uid)
        if what == "DELETED":
            if known is not None:
                self._pods.pop(uid).task.cancel()
        elif known is None:
            self._pods[uid] = _Pod(tasks.create_task(self._live(pod), name=pod["metadata"]["name"]))
        elif "deletionTimestamp" in pod["metadata"]:
            if not known.ending:
                known.ending = True
                tasks.create_task(self._end(pod, known))
        else:
            self._remount(pod, known, tasks)

    def _remount(self, pod: Body, known: _Pod, tasks: asyncio.TaskGroup) -> None:
        poke = (pod["metadata"].get("annotations") or {}).get(POKE_ANNOTATION, "")
        if poke != known.poke:
            known.poke = poke
            if known.device is not None:
                tasks.create_task(known.device.plans.poll())

    async def _live(self, pod: Body) -> None:
        """Until it is cancelled."""
        machine = self.machines[_node_of(pod)]
        await machine.link.wait()
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod['metadata']['name']}"
        try:
            if pod["metadata"]["labels"].get(ROLE_LABEL) == PULL_ROLE:
                await self._pull(pod, path, machine)
                return
            device = await self._started(pod, path, machine)
        except ApiError as error:
            if error.status in (404, 409):  # deleted meanwhile
                return
            raise
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(device.run())
            await device.ready.wait()
            await self._say(path, _running(machine, ready=True))

    async def _pull(self, pod: Body, path: str, machine: Machine) -> None:
        """The image of a pod that is there for nothing else; it sleeps from then on."""
        await self._bind(pod, path, machine)
        image = pod["spec"]["containers"][0]["image"]
        if why := self.unknown_images.get(image):
            await self._say(path, _pulling(image, "", {"waiting": {"reason": "ErrImagePull", "message": why}}))
        else:
            self.pulled.append((machine.name, image))
            await self._say(path, _pulling(image, f"sha256:{image}", {"running": {}}))

    async def _bind(self, pod: Body, path: str, machine: Machine) -> None:
        if not pod["spec"].get("nodeName"):
            await self.api.post(f"{path}/binding", _binding(pod["metadata"]["name"], machine.name))

    async def _started(self, pod: Body, path: str, machine: Machine) -> Device:
        meta = pod["metadata"]
        await self._bind(pod, path, machine)
        home = self.folder / meta["uid"]
        home.mkdir()
        (home / "token").write_text(await self._token(meta))
        await self._say(path, _running(machine, ready=False))
        profile = meta["labels"][PROFILE_LABEL]
        device = Device(machine, Home(meta["name"], profile, home / "token", home / "cache", self.folder / "plan"))
        self._pods[meta["uid"]].device = device
        return device

    async def _token(self, meta: Body) -> str:
        """As the kubelet projects it: bound to the pod, and by that to its node."""
        bound = {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]}
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/default/token"
        answer = await self.api.post(path, {"spec": {"audiences": [REPORT_AUDIENCE], "boundObjectRef": bound}})
        return str(answer["status"]["token"])

    async def _say(self, path: str, status: Body) -> None:
        await self.api.patch(f"{path}/status", {"status": status})

    async def _end(self, pod: Body, known: _Pod) -> None:
        await self.machines[_node_of(pod)].link.wait()
        known.task.cancel()
        try:
            await self.api.delete(f"/api/v1/namespaces/{self.namespace}/pods/{pod['metadata']['name']}")
        except ApiError as error:
            if error.status != 404:
                raise


def _node_of(pod: Body) -> str:
    """Where the DaemonSet controller means it to be."""
    affinity = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    return str(affinity["nodeSelectorTerms"][0]["matchFields"][0]["values"][0])


def _binding(pod: str, node: str) -> Body:
    return {"metadata": {"name": pod}, "target": {"apiVersion": "v1", "kind": "Node", "name": node}}


def _pulling(image: str, image_id: str, state: Body) -> Body:
    container = {"name": PULL_ROLE, "image": image, "imageID": image_id, "ready": bool(image_id), "restartCount": 0}
    return {"phase": "Pending", "containerStatuses": [{**container, "state": state}]}


def _running(machine: Machine, ready: bool) -> Body:
    kinds = ("PodScheduled", "Initialized"), ("ContainersReady", "Ready")
    conditions: list[dict[str, Any]] = [{"type": kind, "status": "True"} for kind in kinds[0]]
    conditions += [{"type": kind, "status": str(ready)} for kind in kinds[1]]
    addresses = {"podIP": machine.address, "podIPs": [{"ip": machine.address}]}
    return {"phase": "Running", **addresses, "conditions": conditions}
