"""A device whose accelerator goes away says so to the operator, and says so when it is back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from edgewise.api.names import Reason
from edgewise.contract.plan import Plan
from edgewise_runtime.engines.base import AcceleratorLostError
from edgewise_runtime.engines.standby import Standby
from tests.runtime import tinytflite
from tests.runtime.agent.devices import TestDevice, device, one_model
from tests.runtime.agent.documents import PROFILE
from tests.runtime.agent.fileserver import FileServer
from tests.runtime.agent.waiting import until
from tests.runtime.faultydevice import FaultyDevice, library


def plan_for(server: FileServer, folder: Path, accelerator: FaultyDevice, required: bool) -> Plan:
    """One TFLite model that doubles, on the accelerator."""
    plan = one_model(server, "r1", tinytflite.add(folder, "FP32", [-1, 4]).read_bytes())
    plan.releases[0].models[0].builds[0] = plan.releases[0].models[0].builds[0].model_copy(update={"format": "TFLite"})
    changes = {
        "engine": "LiteRT",
        "providers": [library(), "CPU"],
        "options": accelerator.options,
        "require_accelerator": required,
    }
    plan.profiles[PROFILE] = plan.profiles[PROFILE].model_copy(update=changes)
    return plan


def session(edge: TestDevice) -> Standby:
    served = edge.models.current()["digits"].session
    assert isinstance(served, Standby)
    return served


@pytest.mark.parametrize("required", [False, True])
async def test_a_loss_is_reported_and_so_is_the_return(server: FileServer, tmp_path: Path, required: bool) -> None:
    accelerator = FaultyDevice(tmp_path)
    async with device(tmp_path) as edge:
        await edge.follow(plan_for(server, tmp_path, accelerator, required))
        await edge.until_serving("r1")
        assert edge.report("digits").provider == library()
        accelerator.pull()
        try:
            assert await asyncio.to_thread(edge.answer) == 2
        except AcceleratorLostError:
            assert required
        await edge.until_state("Failed" if required else "Ready", Reason.ACCELERATOR_LOST)
        assert edge.report("digits").provider == ("" if required else "CPU")
        assert "the device does not answer" in edge.report("digits").message
        assert edge.models.ready is not required
        accelerator.plug()
        await asyncio.to_thread(session(edge).retry)
        await edge.until_state("Ready", "")
        await until(lambda: edge.report("digits").provider == library(), "the device is back")
        assert edge.models.ready
