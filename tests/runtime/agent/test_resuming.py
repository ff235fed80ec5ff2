"""A device that was restarted: what it serves, what it remembers, with whom it can do without."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from edgewise.api.names import Reason
from edgewise_runtime import engines
from edgewise_runtime.agent.goals import Goal, goal_of
from edgewise_runtime.agent.lastgood import DEATHS, LOADING, LastGood
from tests.runtime.agent.devices import device, one_model
from tests.runtime.agent.documents import PROFILE, UID, sha256, then
from tests.runtime.agent.fileserver import FileServer, file_server
from tests.runtime.agent.tinymodels import scaling
from tests.runtime.agent.waiting import until

ONE, TWO, THREE = scaling(1), scaling(2), scaling(3)


async def test_a_restarted_device_serves_from_its_cache_without_anybody(tmp_path: Path) -> None:
    async with file_server() as server, device(tmp_path) as edge:
        await edge.follow(one_model(server, "r1", TWO))
        await edge.until_serving("r1")
    async with device(tmp_path) as edge:
        await edge.until_serving("r1")
        assert edge.answer() == 2


async def test_a_restarted_device_serves_the_last_good_release_while_the_wanted_one_is_out_of_reach(
    tmp_path: Path,
) -> None:
    async with file_server() as server, device(tmp_path) as edge:
        first, second = one_model(server, "r1", ONE), one_model(server, "r2", TWO)
        await edge.follow(first)
        await edge.until_serving("r1")
    async with device(tmp_path) as edge:
        await edge.follow(then(first, second))
        await edge.until_state("Downloading", Reason.SOURCE_UNREACHABLE)
        assert (edge.models.release, edge.answer()) == ("r1", 1)


async def test_a_file_that_rotted_on_the_disk_is_fetched_again_and_never_loaded(
    server: FileServer, tmp_path: Path
) -> None:
    async with device(tmp_path) as edge:
        await edge.follow(one_model(server, "r1", TWO))
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
        await edge.follow(first)
        await edge.until_serving("r1")
        for _ in range(DEATHS):
            LastGood(edge.cache / UID, PROFILE).begin_loading(deadly)
        await edge.follow(second)
        await edge.until_state("Failed", Reason.LOAD_FAILED)
        assert f"died {DEATHS} times" in edge.report("digits").message
        assert edge.answer() == 1


async def test_a_pod_that_is_told_to_stop_in_the_middle_of_a_load_has_not_died_of_it(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a model that takes long to compile would be given up after the third rollout that overtakes it."""
    loading, go_on, really = threading.Event(), threading.Event(), engines.load

    def slow(*arguments: Any, **options: Any) -> Any:
        loading.set()
        assert go_on.wait(30.0)
        return really(*arguments, **options)

    monkeypatch.setattr(engines, "load", slow)
    try:
        async with device(tmp_path) as edge:
            await edge.follow(one_model(server, "r1", ONE))
            await until(loading.is_set, "the model is being loaded")
            assert (edge.cache / UID / PROFILE / LOADING).exists()
        assert not (edge.cache / UID / PROFILE / LOADING).exists()
    finally:
        go_on.set()


async def test_a_load_that_ends_is_not_held_against_a_file(server: FileServer, tmp_path: Path) -> None:
    for _ in range(DEATHS + 1):
        async with device(tmp_path) as edge:
            await edge.follow(one_model(server, "r1", ONE))
            await edge.until_serving("r1")
            assert not (edge.cache / UID / PROFILE / LOADING).exists()


async def test_deaths_in_a_load_are_counted_although_the_old_release_is_loaded_in_between(
    server: FileServer, tmp_path: Path
) -> None:
    first = one_model(server, "r1", ONE)
    second = then(first, one_model(server, "r2", TWO))
    deadly = goal_of(second, "r2", PROFILE)
    assert isinstance(deadly, Goal)
    for _ in range(DEATHS):
        async with device(tmp_path) as edge:
            await edge.follow(first)
            await edge.until_serving("r1")
        LastGood(tmp_path / "cache" / UID, PROFILE).begin_loading(deadly)
    async with device(tmp_path) as edge:
        await edge.follow(second)
        await edge.until_state("Failed", Reason.LOAD_FAILED)
        assert (edge.models.release, edge.answer()) == ("r1", 1)
