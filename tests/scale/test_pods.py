"""Another runtime image over a small fleet: real API server, DaemonSet controller and operator; played kubelets."""

from __future__ import annotations

import asyncio

import pytest

from tests.scale.swarm import NAMESPACE, Swarm, swarm

ROLLOUT = {"waves": [{"nodes": 1}, {"percent": 50}], "gates": {"soak": "1s", "deadline": "8s"}, "maxUnavailable": "50%"}
IMAGE, NOWHERE = "registry.local/cpu:2", "registry.local/cpu:3"

pytestmark = pytest.mark.apiserver


async def images(fleet: Swarm) -> dict[str, str]:
    """Node -> image of its runtime pod."""
    pods = await fleet.api.get(f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=edgewise.dev/role=runtime")
    return {pod["spec"]["nodeName"]: pod["spec"]["containers"][0]["image"] for pod in pods["items"]}


async def said(fleet: Swarm, reason: str) -> str:
    """Ready's message, once it bears that reason."""
    async with asyncio.timeout(60):
        while True:
            conditions = (await fleet.status()).get("conditions", [])
            for condition in conditions:
                if (condition["type"], condition["reason"]) == ("Ready", reason):
                    return str(condition["message"])
            await asyncio.sleep(0.1)


async def test_an_image_is_brought_to_every_device_before_its_pod_is_made_anew() -> None:
    async with swarm(6, rollout=ROLLOUT, reporting={"duringRollout": "1s"}) as fleet:
        before = await images(fleet)
        fleet.kubelets.unknown_images = {NOWHERE: "manifest unknown"}
        await fleet.edit(serving={"image": NOWHERE})
        message = await said(fleet, "ImageNotPulled")
        assert f"cannot pull {NOWHERE}: manifest unknown" in message
        assert await images(fleet) == before
        await said(fleet, "PodsRejected")
        assert await images(fleet) == before

        await fleet.edit(serving={"image": IMAGE})
        await fleet.settled("1.0.0", patience=60)
        assert set((await images(fleet)).values()) == {IMAGE}
        assert sorted(fleet.kubelets.pulled) == sorted((machine, IMAGE) for machine in fleet.machines)
        sets = await fleet.api.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/daemonsets")
        assert {one["metadata"]["labels"]["edgewise.dev/role"] for one in sets["items"]} == {"runtime"}
