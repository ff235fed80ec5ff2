"""Back to the last good release: by what a self test says, by what requests say, by what a death says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from edgewise.api.edgemodel import SelfTest
from edgewise.api.names import Reason
from edgewise.contract.plan import Plan, Switch
from edgewise_runtime.agent import proving
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.lastgood import DEATHS
from tests.runtime.agent.devices import device, mount, one_model, serving_one
from tests.runtime.agent.documents import UID, sha256, then
from tests.runtime.agent.fileserver import FileServer, file_server
from tests.runtime.agent.goldens import npz
from tests.runtime.agent.pods import Pod, pod
from tests.runtime.agent.tinymodels import ONE, THREE, TWO
from tests.runtime.agent.waiting import until

KEEPS_FAILING = Failure("KeepsFailing", "half of all requests fail")


def with_test(document: Plan, name: str, test: SelfTest) -> Plan:
    """The plan, with a self test of the one model of release `name`."""
    releases = [
        release
        if release.name != name
        else release.model_copy(update={"models": [release.models[0].model_copy(update={"self_test": test})]})
        for release in document.releases
    ]
    return document.model_copy(update={"releases": releases})


def golden(factor: float) -> str:
    tensor: dict[str, Any] = {"shape": [1, 4], "datatype": "FP32"}
    return json.dumps(
        {
            "inputs": [{"name": "x", "data": [1, 2, 3, 4], **tensor}],
            "outputs": [{"name": "y", "data": [factor, 2 * factor, 3 * factor, 4 * factor], **tensor}],
        }
    )


async def test_a_release_that_fails_its_self_test_never_serves_and_a_mended_test_is_tried_at_once(
    server: FileServer, tmp_path: Path
) -> None:
    async with device(tmp_path) as edge:
        first = await serving_one(edge, server)
        second = with_test(then(first, one_model(server, "r2", TWO)), "r2", SelfTest(inline=golden(3)))
        await edge.follow(second)
        await edge.until_state("Failed", Reason.SELF_TEST_FAILED)
        assert "8 instead of 12 at [0, 3]; 4 apart" in edge.report("digits").message
        assert (edge.models.release, edge.answer()) == ("r1", 1)
        retried = second.model_copy(update={"sequence": 3, "retry": "r2"})
        await edge.follow(retried)
        await until(lambda: edge.plans.current == retried, "the retry is known")
        await edge.until_state("Failed", Reason.SELF_TEST_FAILED)
        mended = with_test(second, "r2", SelfTest(inline=golden(2)))
        await edge.follow(mended.model_copy(update={"sequence": 4}))
        await edge.until_serving("r2")
        session, generation = edge.models.current()["digits"].session, edge.models.generation
        changed = with_test(second, "r2", SelfTest(inline=golden(5)))
        await edge.follow(changed.model_copy(update={"sequence": 5}))
        await until(lambda: edge.models.generation > generation, "the changed release is taken over")
        assert edge.models.current()["digits"].session is session, "what serves well is not tested again"


async def test_golden_data_come_from_a_server_by_their_hash_and_stay_with_the_model(
    server: FileServer, tmp_path: Path
) -> None:
    file = npz(tmp_path / "golden.npz", input__x=np.ones((3, 4)), output__y=np.full((3, 4), 2.0))
    uri = server.add("/golden.npz", file.read_bytes())
    async with device(tmp_path) as edge:
        first = await serving_one(edge, server)
        test = SelfTest(source=uri, sha256=sha256(file.read_bytes()))
        await edge.follow(with_test(then(first, one_model(server, "r2", TWO)), "r2", test))
        await edge.until_serving("r2")
        assert (edge.cache / "blobs" / "sha256" / sha256(file.read_bytes())).exists()
        wrong = with_test(then(first, one_model(server, "r3", THREE), sequence=3), "r3", test)
        await edge.follow(wrong)
        await edge.until_state("Failed", Reason.SELF_TEST_FAILED)
        assert edge.answer() == 2


async def test_a_release_that_keeps_failing_is_given_back_and_not_tried_again_even_after_a_restart(
    server: FileServer, tmp_path: Path
) -> None:
    async with device(tmp_path) as edge:
        first = await serving_one(edge, server)
        second = then(first, one_model(server, "r2", TWO))
        await edge.follow(second)
        await edge.until_serving("r2")
        server.files.clear()
        edge.switching.give_back(KEEPS_FAILING)
        await edge.until_state("Failed", "KeepsFailing")
        assert (edge.models.release, edge.answer()) == ("r1", 1)
    async with device(tmp_path) as edge:
        await edge.until_state("Failed", "KeepsFailing")
        assert (edge.models.release, edge.answer()) == ("r1", 1)
        again = second.model_copy(update={"sequence": 3, "retry": "r2"})
        await edge.follow(again)
        await edge.until_serving("r2")
        generation = edge.models.generation
        await edge.follow(again.model_copy(update={"sequence": 4, "retry": ""}))
        await until(lambda: edge.models.generation > generation, "the retry is over")
        await edge.until_serving("r2")


async def test_no_newer_plan_overtakes_the_way_back(server: FileServer, tmp_path: Path) -> None:
    async with device(tmp_path) as edge:
        first = await serving_one(edge, server)
        second = then(first, one_model(server, "r2", TWO))
        await edge.follow(second)
        await edge.until_serving("r2")
        third = then(second, one_model(server, "r3", THREE), switch=Switch(all=False, nodes=["node-9"]))
        edge.switching.give_back(KEEPS_FAILING)
        await edge.follow(third)
        await edge.until_state("Failed", "KeepsFailing")
        assert (edge.models.release, edge.answer()) == ("r1", 1)


async def test_a_device_without_another_release_serves_on(server: FileServer, tmp_path: Path) -> None:
    async with device(tmp_path) as edge:
        first = await serving_one(edge, server)
        edge.switching.give_back(KEEPS_FAILING)
        await edge.follow(then(first, one_model(server, "r2", TWO)))
        await edge.until_serving("r2")


async def test_once_promoted_and_proved_the_release_before_it_is_still_there_to_go_back_to(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proving, "PROVED_SECONDS", 0.0)
    monkeypatch.setattr(proving, "IDLE_SECONDS", 0.01)
    monkeypatch.setattr(proving, "LOOK_SECONDS", 0.01)
    proof = tmp_path / "cache" / UID / "generic-amd64" / proving.FILE
    async with device(tmp_path) as edge:
        await serving_one(edge, server)
        await until(lambda: not proof.exists(), "r1 has proved itself")
        await edge.follow(one_model(server, "r2", TWO).model_copy(update={"sequence": 2, "stable": "r2"}))
        await edge.until_serving("r2")
        await until(lambda: not proof.exists(), "r2 has proved itself")
        edge.switching.give_back(KEEPS_FAILING)
        await until(lambda: edge.models.release == "r1", "the release before it serves")
        assert edge.answer() == 1


async def test_what_served_before_is_there_to_go_back_to_however_soon_the_next_one_was_promoted(
    server: FileServer, tmp_path: Path
) -> None:
    async with device(tmp_path) as edge:
        await serving_one(edge, server)
        await edge.follow(one_model(server, "r2", TWO).model_copy(update={"sequence": 2, "stable": "r2"}))
        await edge.until_serving("r2")
        edge.switching.give_back(KEEPS_FAILING)
        await until(lambda: edge.models.release == "r1", "the release before it serves")
        assert edge.answer() == 1


async def until_told(running: Pod, words: str) -> None:
    await until(lambda: any(words in line.get("detail", "") for line in running.lines), f"it says: {words}")


@pytest.fixture
async def root(tmp_path: Path) -> Path:
    """A device that serves r2 since a moment ago, after r1; its sources are gone."""
    async with file_server() as server:
        first = one_model(server, "r1", ONE)
        second = then(first, one_model(server, "r2", TWO))
        async with device(tmp_path) as edge:
            await edge.follow(first)
            await edge.until_serving("r1")
            await edge.follow(second)
            await edge.until_serving("r2")
    return tmp_path


async def test_a_process_that_dies_of_a_new_release_serves_the_old_one_at_its_next_start_and_says_why(
    root: Path,
) -> None:
    async with pod(root) as dying, aiohttp.ClientSession() as http:
        await until(lambda: dying.served("r2"), "r2 serves")
        assert await dying.ask(http) == (200, 2)
        dying.process.kill()
        await dying.process.wait()
    async with pod(root) as after, aiohttp.ClientSession() as http:
        await until(lambda: after.served("r1"), "r1 serves")
        assert await after.ask(http) == (200, 1)
        await until_told(after, "the runtime died once soon after it began to serve release r2")
        assert not after.served("r2")
        assert await after.stop() == 0


async def test_a_process_that_is_told_to_stop_has_not_died(root: Path) -> None:
    async with pod(root) as stopped:
        await until(lambda: stopped.served("r2"), "r2 serves")
        assert await stopped.stop() == 0
    async with device(root) as edge:
        await edge.until_serving("r2")


def note(root: Path, **changes: Any) -> None:
    """What is known of the release that has yet to prove itself."""
    path = root / "cache" / UID / "generic-amd64" / proving.FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


async def test_a_machine_that_was_switched_off_says_nothing_about_the_release_until_it_happens_again_and_again(
    root: Path,
) -> None:
    note(root, alive=True, boot="an earlier one")
    async with device(root) as edge:
        await edge.until_serving("r2")
    note(root, alive=True, boot="an earlier one", deaths=DEATHS - 1)
    async with device(root) as edge:
        await edge.until_state("Failed", Reason.CRASH_LOOP)
        assert (edge.models.release, edge.answer()) == ("r1", 1)


async def test_a_release_is_tried_again_after_a_death_and_left_alone_after_the_third(root: Path) -> None:
    for deaths in range(DEATHS - 1):
        note(root, alive=True)
        async with device(root) as edge:
            await edge.until_state("Failed", Reason.CRASH_LOOP)
            times = "once" if deaths == 0 else f"{deaths + 1} times"
            assert f"died {times} soon" in edge.report("digits").message
            assert edge.answer() == 1
            newer = edge.plans.current
            assert newer is not None
            await edge.follow(newer.model_copy(update={"sequence": newer.sequence + 1}))
            await edge.until_serving("r2")
    note(root, alive=True)
    async with device(root) as edge:
        await edge.until_state("Failed", Reason.CRASH_LOOP)
        assert "3 times" in edge.report("digits").message
        assert "not tried again" in edge.report("digits").message
        newer = edge.plans.current
        assert newer is not None
        await edge.follow(newer.model_copy(update={"sequence": newer.sequence + 1}))
        await until(lambda: edge.plans.current is not newer, "the newer plan is followed")
        await edge.until_state("Failed", Reason.CRASH_LOOP)
        assert edge.answer() == 1
        await edge.follow(newer.model_copy(update={"sequence": newer.sequence + 2, "retry": "r2"}))
        await edge.until_serving("r2")


async def test_the_only_release_a_device_ever_had_is_served_again_whatever_it_died_of(
    server: FileServer, tmp_path: Path
) -> None:
    async with device(tmp_path) as edge:
        await serving_one(edge, server)
    note(tmp_path, alive=True, deaths=DEATHS)
    mount(tmp_path / "plan", one_model(server, "r1", ONE))
    async with device(tmp_path) as edge:
        await edge.until_serving("r1")
        assert edge.answer() == 1
