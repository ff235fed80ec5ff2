"""A device that was restarted: what it serves, what it remembers, with whom it can do without."""

from __future__ import annotations

from pathlib import Path

from edgewise.api.names import Reason
from edgewise_runtime.agent.goals import Goal, goal_of
from edgewise_runtime.agent.lastgood import DEATHS, LOADING, LastGood
from tests.runtime.agent.devices import device, one_model
from tests.runtime.agent.documents import PROFILE, UID, sha256, then
from tests.runtime.agent.fileserver import FileServer, file_server
from tests.runtime.agent.tinymodels import scaling

ONE, TWO, THREE = scaling(1), scaling(2), scaling(3)


async def test_a_restarted_device_serves_from_its_cache_without_anybody(tmp_path: Path) -> None:
    async with file_server() as server, device(tmp_path) as edge:
        edge.follow(one_model(server, "r1", TWO))
        await edge.until_serving("r1")
    async with device(tmp_path) as edge:
        await edge.until_serving("r1")
        assert edge.answer() == 2


async def test_a_restarted_device_serves_the_last_good_release_while_the_wanted_one_is_out_of_reach(
    tmp_path: Path,
) -> None:
    async with file_server() as server, device(tmp_path) as edge:
        first, second = one_model(server, "r1", ONE), one_model(server, "r2", TWO)
        edge.follow(first)
        await edge.until_serving("r1")
    async with device(tmp_path) as edge:
        edge.follow(then(first, second))
        await edge.until_state("Downloading", Reason.SOURCE_UNREACHABLE)
        assert (edge.models.release, edge.answer()) == ("r1", 1)


async def test_a_file_that_rotted_on_the_disk_is_fetched_again_and_never_loaded(
    server: FileServer, tmp_path: Path
) -> None:
    async with device(tmp_path) as edge:
        edge.follow(one_model(server, "r1", TWO))
        await edge.until_serving("r1")
        (edge.cache / "blobs" / "sha256" / sha256(TWO)).write_bytes(ONE)
    async with device(tmp_path) as edge:
        await edge.until_serving("r1")
        assert edge.answer() == 2
    assert len(server.requests_for("/r1")) == 2


async def test_a_file_that_took_the_process_down_too_often_is_left_alone(server: FileServer, tmp_path: Path) -> None:
    first = one_model(server, "r1", ONE)
    second = then(first, one_model(server, "r2", TWO))
    deadly = goal_of(second, "r2", PROFILE)
    assert isinstance(deadly, Goal)
    async with device(tmp_path) as edge:
        edge.follow(first)
        await edge.until_serving("r1")
        for _ in range(DEATHS):
            LastGood(edge.cache / UID, PROFILE).begin_loading(deadly)
        edge.follow(second)
        await edge.until_state("Failed", Reason.LOAD_FAILED)
        assert f"died {DEATHS} times" in edge.report("digits").message
        assert edge.answer() == 1


async def test_a_load_that_ends_is_not_held_against_a_file(server: FileServer, tmp_path: Path) -> None:
    for _ in range(DEATHS + 1):
        async with device(tmp_path) as edge:
            edge.follow(one_model(server, "r1", ONE))
            await edge.until_serving("r1")
            assert not (edge.cache / UID / PROFILE / LOADING).exists()
