"""From a plan to answers, and back, with real files, a real server and real models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgewise.api.names import Reason
from edgewise.contract.plan import Plan, PlanServing, ProfilePlan
from edgewise_runtime import engines
from edgewise_runtime.engines.base import Session
from tests.runtime.agent.devices import device, one_model, serving_one
from tests.runtime.agent.documents import PROFILE, plan, release, sha256, source, then
from tests.runtime.agent.fileserver import FileServer, status
from tests.runtime.agent.tinymodels import ONE, THREE, TWO, picking, scaling
from tests.runtime.agent.waiting import until


async def test_a_new_device_fetches_verifies_loads_and_serves(server: FileServer, tmp_path: Path) -> None:
    async with device(tmp_path) as edge:
        await edge.follow(one_model(server, "r1", TWO))
        await edge.until_serving("r1")
        report = edge.report("digits")
        assert edge.answer() == 2
        assert (report.provider, report.downloaded) == ("CPUExecutionProvider", len(TWO))
        assert (edge.cache / "blobs" / "sha256" / sha256(TWO)).read_bytes() == TWO


async def test_a_newer_plan_brings_the_next_release(server: FileServer, tmp_path: Path) -> None:
    async with device(tmp_path) as edge:
        first = await serving_one(edge, server)
        await edge.follow(then(first, one_model(server, "r2", TWO)))
        await edge.until_serving("r2")
        assert edge.answer() == 2


async def test_a_source_that_comes_back_is_found_again(server: FileServer, tmp_path: Path) -> None:
    uri = server.url + "/late"
    async with device(tmp_path) as edge:
        server.faults["/late"] = [status(503)]
        await edge.follow(plan(1, release("r1", {"digits": source(uri, TWO)})))
        await edge.until_state("Downloading", Reason.SOURCE_UNREACHABLE)
        server.add("/late", TWO)
        await edge.until_serving("r1")


async def test_a_wrong_hash_leaves_the_old_release_and_is_tried_again_with_the_next_plan(
    server: FileServer, tmp_path: Path
) -> None:
    async with device(tmp_path) as edge:
        first = await serving_one(edge, server)
        second = then(first, one_model(server, "r2", TWO))
        server.files["/r2"] = THREE
        await edge.follow(second)
        await edge.until_state("Failed", Reason.HASH_MISMATCH)
        assert edge.answer() == 1
        server.files["/r2"] = TWO
        await edge.follow(second.model_copy(update={"sequence": 3}))
        await edge.until_serving("r2")


UNLOADABLE = {"no ONNX at all": b"not a model", "fails at every run": picking(9, ("batch", 4))}


@pytest.mark.parametrize("content", UNLOADABLE.values(), ids=UNLOADABLE)
async def test_what_does_not_load_or_run_leaves_the_old_release_and_is_not_tried_twice(
    server: FileServer, tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[str] = []
    really = engines.load

    def counting(path: Path, *rest: Any, **more: Any) -> Session:
        loads.append(path.name)
        return really(path, *rest, **more)

    monkeypatch.setattr(engines, "load", counting)
    async with device(tmp_path) as edge:
        first = await serving_one(edge, server)
        second = then(first, one_model(server, "r2", content))
        await edge.follow(second)
        await edge.until_state("Failed", Reason.LOAD_FAILED)
        await edge.follow(first.model_copy(update={"sequence": 3}))
        await edge.until_serving("r1")
        await edge.follow(second.model_copy(update={"sequence": 4}))
        await edge.until_state("Failed", Reason.LOAD_FAILED)
        assert edge.answer() == 1
        assert loads.count(sha256(content)) == 1
        await edge.follow(then(first, one_model(server, "r3", THREE), sequence=5))
        await edge.until_serving("r3")


async def test_a_model_with_free_sizes_is_served_although_zeros_of_size_one_do_not_run(
    server: FileServer, tmp_path: Path
) -> None:
    async with device(tmp_path) as edge:
        await edge.follow(one_model(server, "r1", picking(3, ("batch", "width"))))
        await edge.until_serving("r1")
        assert edge.answer() == 1


async def test_of_two_models_neither_changes_while_one_cannot(server: FileServer, tmp_path: Path) -> None:
    def both(name: str, digits: bytes, faces: bytes) -> Plan:
        sources = {
            "digits": source(server.add(f"/{name}-digits", digits), digits),
            "faces": source(server.add(f"/{name}-faces", faces), faces),
        }
        return plan(1, release(name, sources))

    async with device(tmp_path) as edge:
        first = both("r1", ONE, TWO)
        await edge.follow(first)
        await edge.until_serving("r1")
        await edge.follow(then(first, both("r2", THREE, b"not a model")))
        await edge.until_state("Failed", Reason.LOAD_FAILED, "faces")
        assert (edge.answer("digits"), edge.answer("faces")) == (1, 2)


async def test_an_unchanged_model_is_neither_fetched_nor_loaded_again(server: FileServer, tmp_path: Path) -> None:
    digits = source(server.add("/digits", ONE), ONE)
    faces = source(server.add("/faces", TWO), TWO)
    async with device(tmp_path) as edge:
        await edge.follow(plan(1, release("r1", {"digits": digits})))
        await edge.until_serving("r1")
        session = edge.models.current()["digits"].session
        await edge.follow(plan(2, release("r2", {"digits": digits, "faces": faces}, version="2.0.0")))
        await edge.until_serving("r2")
        served = edge.models.current()["digits"]
        assert (served.session, served.version) == (session, "2.0.0")
        assert (edge.answer("digits"), edge.answer("faces")) == (1, 2)
        assert len(server.requests_for("/digits")) == 1


async def test_a_release_without_a_build_for_this_profile_leaves_what_serves(
    server: FileServer, tmp_path: Path
) -> None:
    async with device(tmp_path) as edge:
        first = await serving_one(edge, server)
        only_first = {PROFILE: ProfilePlan(engine="ONNXRuntime", variants=first.profiles[PROFILE].variants)}
        await edge.follow(then(first, one_model(server, "r2", TWO), profiles=only_first))
        await edge.until_state("Pending", Reason.NO_BUILD_IN_TARGET)
        assert (edge.models.release, edge.answer()) == ("r1", 1)
        assert edge.switching.progress.release == "r2"


@pytest.mark.parametrize("broken", [True, False], ids=["does not load", "has no build here"])
async def test_a_device_with_nothing_to_serve_takes_the_stable_release_where_the_target_is_impossible(
    server: FileServer, tmp_path: Path, broken: bool
) -> None:
    first, second = one_model(server, "r1", ONE), one_model(server, "r2", b"not a model")
    more = {} if broken else {"profiles": first.profiles}
    async with device(tmp_path) as edge:
        await edge.follow(then(first, second, **more))
        await until(lambda: edge.models.release == "r1", "the stable release is served")
        assert edge.answer() == 1
        assert edge.switching.progress.release == "r2"
        expected = ("Failed", Reason.LOAD_FAILED) if broken else ("Pending", Reason.NO_BUILD_IN_TARGET)
        assert edge.states["digits"] == expected


async def test_a_newer_plan_overtakes_a_download(server: FileServer, tmp_path: Path) -> None:
    padded = scaling(2, padding=100_000)
    async with device(tmp_path) as edge:
        first, second = one_model(server, "r1", ONE), one_model(server, "r2", padded)
        await edge.follow(first)
        await edge.until_serving("r1")
        server.faults["/r2"] = [server.stall_after(50_000)]
        await edge.follow(then(first, second))
        await until(lambda: edge.report("digits").downloaded == 50_000, "half of the file is there")
        await edge.follow(then(first, one_model(server, "r3", THREE), sequence=3))
        await edge.until_serving("r3")
        assert edge.answer() == 3
        await edge.follow(then(first, second, sequence=4))
        await edge.until_serving("r2")
        assert server.requests_for("/r2")[-1]["Range"] == "bytes=50000-"


async def test_a_newer_plan_with_the_same_goal_does_not_disturb_a_download(server: FileServer, tmp_path: Path) -> None:
    padded = scaling(2, padding=100_000)
    async with device(tmp_path) as edge:
        first = one_model(server, "r1", padded)
        server.faults["/r1"] = [server.stall_after(50_000)]
        await edge.follow(first)
        await server.stalled.wait()
        await edge.follow(first.model_copy(update={"sequence": 2, "stable": "r1"}))
        await edge.until_serving("r1")
        assert len(server.requests_for("/r1")) == 2


async def test_new_engine_options_load_the_same_file_anew(server: FileServer, tmp_path: Path) -> None:
    async with device(tmp_path) as edge:
        first = one_model(server, "r1", TWO)
        await edge.follow(first)
        await edge.until_serving("r1")
        session = edge.models.current()["digits"].session
        profile = first.profiles[PROFILE].model_copy(update={"providers": ["CPUExecutionProvider"]})
        await edge.follow(first.model_copy(update={"sequence": 2, "profiles": {PROFILE: profile}}))
        await until(lambda: edge.models.current()["digits"].session is not session, "the model is loaded anew")
        assert edge.answer() == 2


async def test_a_cache_too_small_for_both_keeps_the_old_release(server: FileServer, tmp_path: Path) -> None:
    big = scaling(2, padding=5_000)
    async with device(tmp_path) as edge:
        first = await serving_one(edge, server)
        second = one_model(server, "r2", big)
        sized = release("r2", {"digits": source(server.url + "/r2", big, size=len(big))})
        await edge.follow(
            then(first, second, releases=[*first.releases, sized], serving=PlanServing(cache_limit=5_000))
        )
        await edge.until_state("Failed", Reason.DISK_FULL)
        assert edge.answer() == 1
        assert server.requests_for("/r2") == []
