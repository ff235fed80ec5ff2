"""What a device finds out about its models is kept across restarts, and told to the operator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edgewise_runtime.agent.goals import Goal, goal_of
from edgewise_runtime.agent.lastgood import LastGood
from edgewise_runtime.tuning.choice import Choice
from tests.runtime.agent.devices import TestDevice, device, one_model
from tests.runtime.agent.documents import PROFILE, UID
from tests.runtime.agent.fileserver import FileServer, file_server
from tests.runtime.agent.tinymodels import scaling


@pytest.fixture
async def server() -> AsyncIterator[FileServer]:
    async with file_server() as running:
        yield running


def choice(edge: TestDevice) -> Choice:
    return edge.models.current()["digits"].choice


async def test_a_restarted_device_remembers_how_its_model_runs_best(server: FileServer, tmp_path: Path) -> None:
    plan = one_model(server, "r1", scaling(1))
    async with device(tmp_path) as edge:
        await edge.follow(plan)
        await edge.until_serving("r1")
        found = choice(edge)
        assert found.latency is not None
        assert found.threads == 1
    async with device(tmp_path) as edge:
        await edge.until_serving("r1")
        assert choice(edge) == found, "to the last digit: it was not measured again"


async def test_an_unchanged_model_of_a_new_release_is_not_measured_again(server: FileServer, tmp_path: Path) -> None:
    first = one_model(server, "r1", scaling(1))
    renamed = first.releases[0].model_copy(update={"name": "r2"})
    profile = first.profiles[PROFILE].model_copy(update={"variants": {"r2": {"digits": "fp32"}}})
    second = first.model_copy(
        update={"sequence": 2, "target": "r2", "releases": [renamed], "profiles": {PROFILE: profile}}
    )
    async with device(tmp_path) as edge:
        await edge.follow(first)
        await edge.until_serving("r1")
        session, found = edge.models.current()["digits"].session, choice(edge)
        await edge.follow(second)
        await edge.until_serving("r2")
        assert edge.models.current()["digits"].session is session
        assert choice(edge) == found


async def test_a_load_that_took_the_process_down_is_not_tried_out_the_next_time(
    server: FileServer, tmp_path: Path
) -> None:
    """The trial may have been what took all the memory."""
    plan = one_model(server, "r1", scaling(1))
    goal = goal_of(plan, "r1", PROFILE)
    assert isinstance(goal, Goal)
    LastGood(tmp_path / "cache" / UID, PROFILE).begin_loading(goal)
    async with device(tmp_path) as edge:
        await edge.follow(plan)
        await edge.until_serving("r1")
        assert choice(edge) == Choice()


async def test_a_model_of_any_size_is_served_unmeasured(server: FileServer, tmp_path: Path) -> None:
    async with device(tmp_path) as edge:
        await edge.follow(one_model(server, "r1", scaling(1, ("batch", "width"))))
        await edge.until_serving("r1")
        assert choice(edge) == Choice()
