"""serving.switch InPlace: never two models in memory, and the old one back where the new one does not do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgewise.api.edgemodel import SelfTest
from edgewise.api.names import Reason
from edgewise.contract.plan import Plan, PlanServing
from edgewise_runtime import engines
from edgewise_runtime.agent import failure as failures
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.engines.base import ModelLoadError, Session
from edgewise_runtime.errors import ChangingError
from tests.runtime.agent.devices import TestDevice, device, one_model
from tests.runtime.agent.documents import plan, release, source, then
from tests.runtime.agent.fileserver import FileServer
from tests.runtime.agent.pods import QUESTION
from tests.runtime.agent.test_returning import golden, with_test
from tests.runtime.agent.test_sealed import encrypted
from tests.runtime.agent.tinymodels import picking, scaling
from tests.runtime.agent.waiting import until
from tests.runtime.sealed.files import mounted, sealed
from tests.runtime.serving import running

ONE, TWO, THREE = scaling(1), scaling(2), scaling(3)
IN_PLACE = PlanServing(switch="InPlace")


class Loads:
    """Every load of an engine: how many models are in memory at most, and when one may go on."""

    def __init__(self) -> None:
        self.alive = self.most = self.begun = 0
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.errors: list[ModelLoadError] = []
        """Of the next loads."""
        self._really = engines.load

    def load(self, *arguments: Any, **options: Any) -> Session:
        self.begun += 1
        assert self.may_go_on.wait(30.0)
        if self.errors:
            raise self.errors.pop()
        session = self._really(*arguments, **options)
        self.alive += 1
        self.most = max(self.most, self.alive)
        close = session.close

        def closed() -> None:
            self.alive -= 1
            close()

        session.close = closed  # type: ignore[method-assign]
        return session


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loads]:
    found = Loads()
    monkeypatch.setattr(engines, "load", found.load)
    yield found
    found.may_go_on.set()


def in_place(document: Plan) -> Plan:
    return document.model_copy(update={"serving": IN_PLACE})


async def serving_one(edge: TestDevice, server: FileServer) -> Plan:
    first = in_place(one_model(server, "r1", ONE))
    await edge.follow(first)
    await edge.until_serving("r1")
    return first


async def changing(edge: TestDevice, loads: Loads, second: Plan) -> None:
    """Until the old model is gone and the new one is being loaded."""
    before = loads.begun
    loads.may_go_on.clear()
    await edge.follow(second)
    await until(lambda: loads.begun > before, "the new model is being loaded")


async def test_the_old_model_is_gone_before_the_new_one_comes_and_clients_are_told_to_wait(
    server: FileServer, tmp_path: Path, loads: Loads
) -> None:
    async with device(tmp_path) as edge, running(held=edge.models) as serving:
        first = await serving_one(edge, server)
        await changing(edge, loads, then(first, one_model(server, "r2", TWO)))
        assert (loads.alive, edge.models.release, edge.models.ready) == (0, None, False)
        async with serving.http.post("/v2/models/digits/infer", json=QUESTION) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            assert "being replaced" in (await answer.json())["error"]
        loads.may_go_on.set()
        await edge.until_serving("r2")
        assert (edge.answer(), loads.most) == (2, 1)
        assert edge.models.tallies.of("r1").failures == 0, "the outage is nobody's failure"


async def test_a_request_that_came_before_is_answered_by_the_old_model(
    server: FileServer, tmp_path: Path, loads: Loads
) -> None:
    async with device(tmp_path) as edge:
        first = await serving_one(edge, server)
        with edge.models.acquire("digits") as old:
            before = loads.begun
            await edge.follow(then(first, one_model(server, "r2", TWO)))
            await until(lambda: edge.models.release is None, "nobody else is admitted")
            with pytest.raises(ChangingError):
                edge.answer()
            assert (old.session.provider, loads.begun) == ("CPUExecutionProvider", before)
        await edge.until_serving("r2")
        assert loads.most == 1


async def test_a_file_that_is_not_here_yet_takes_nothing_away(server: FileServer, tmp_path: Path) -> None:
    async with device(tmp_path) as edge:
        first = await serving_one(edge, server)
        second = then(first, one_model(server, "r2", TWO))
        server.files["/r2"] = THREE
        await edge.follow(second)
        await edge.until_state("Failed", Reason.HASH_MISMATCH)
        assert (edge.answer(), edge.models.release) == (1, "r1")


REFUSED = {
    "it does not run": (picking(9, ("batch", 4)), None, Reason.LOAD_FAILED),
    "its self test fails": (TWO, SelfTest(inline=golden(3)), Reason.SELF_TEST_FAILED),
}


@pytest.mark.parametrize(("content", "test", "reason"), REFUSED.values(), ids=REFUSED)
async def test_where_the_new_model_does_not_do_the_old_one_is_loaded_again_without_the_network(
    server: FileServer, tmp_path: Path, loads: Loads, content: bytes, test: SelfTest | None, reason: str
) -> None:
    async with device(tmp_path) as edge:
        first = await serving_one(edge, server)
        second = then(first, one_model(server, "r2", content))
        second = second if test is None else with_test(second, "r2", test)
        await changing(edge, loads, second)
        server.files.clear()
        loads.may_go_on.set()
        await edge.until_state("Failed", reason)
        assert (edge.models.release, edge.answer(), edge.switching.progress.release) == ("r1", 1, "r2")
        begun = loads.begun
        await edge.follow(second.model_copy(update={"sequence": 3}))
        await edge.follow(first.model_copy(update={"sequence": 4}))
        await edge.until_serving("r1")
        assert (loads.begun, loads.most) == (begun, 1), "nor is it tried twice"


async def test_what_would_be_tried_again_beside_the_old_model_takes_it_away_only_once(
    server: FileServer, tmp_path: Path, loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "backoff", lambda *_: 0.05)
    async with device(tmp_path) as edge:
        first = await serving_one(edge, server)
        loads.errors = [ModelLoadError(Reason.ACCELERATOR_MISSING, "no such device")]
        second = then(first, one_model(server, "r2", TWO))
        await edge.follow(second)
        await edge.until_state("Failed", Reason.ACCELERATOR_MISSING)
        generation = edge.models.generation
        await edge.follow(second.model_copy(update={"sequence": 3, "stable": "r2"}))
        await edge.follow(second.model_copy(update={"sequence": 4}))
        await edge.until_state("Failed", Reason.ACCELERATOR_MISSING)
        assert (edge.models.generation, edge.answer()) == (generation, 1)
        await edge.follow(second.model_copy(update={"sequence": 5, "retry": "r2"}))
        await edge.until_serving("r2")


async def test_a_key_that_is_missing_is_waited_for_with_the_old_model(
    server: FileServer, tmp_path: Path, loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "backoff", lambda *_: 0.05)
    async with device(tmp_path) as edge:
        first = await serving_one(edge, server)
        generation = edge.models.generation
        await edge.follow(then(first, encrypted(server, "r2", sealed(TWO))))
        await edge.until_state("Loading", Reason.KEY_MISSING)
        assert (edge.models.generation, edge.answer()) == (generation, 1)
        mounted(tmp_path / "secrets")
        await edge.until_serving("r2")
        assert loads.most == 1


async def test_a_newer_plan_waits_until_something_serves_again(
    server: FileServer, tmp_path: Path, loads: Loads
) -> None:
    async with device(tmp_path) as edge:
        first = await serving_one(edge, server)
        second = then(first, one_model(server, "r2", TWO))
        await changing(edge, loads, second)
        third = then(second, one_model(server, "r3", THREE))
        server.faults["/r3"] = [server.stall_after(10)]
        await edge.follow(third)
        await asyncio.sleep(0)
        loads.may_go_on.set()
        await until(lambda: edge.models.release == "r2", "what was begun is brought to its end")
        server.faults.clear()
        await edge.until_serving("r3")
        assert loads.most == 1


async def test_a_change_that_needs_no_load_takes_nothing_away(server: FileServer, tmp_path: Path, loads: Loads) -> None:
    async with device(tmp_path) as edge:
        first = await serving_one(edge, server)
        session, begun = edge.models.current()["digits"].session, loads.begun
        await edge.follow(then(first, one_model(server, "r2", ONE)))
        await edge.until_serving("r2")
        assert edge.models.current()["digits"].session is session
        assert (loads.begun, edge.models.generation) == (begun, 2)


async def test_of_two_models_the_unchanged_one_answers_on(server: FileServer, tmp_path: Path, loads: Loads) -> None:
    def both(name: str, digits: bytes) -> Plan:
        sources = {
            "digits": source(server.add(f"/{name}-digits", digits), digits),
            "faces": source(server.add("/faces", TWO), TWO),
        }
        return in_place(plan(1, release(name, sources)))

    async with device(tmp_path) as edge:
        first = both("r1", ONE)
        await edge.follow(first)
        await edge.until_serving("r1")
        await changing(edge, loads, then(first, both("r2", THREE)))
        assert (edge.answer("faces"), edge.models.ready, loads.alive) == (2, False, 1)
        with pytest.raises(ChangingError):
            edge.answer("digits")
        loads.may_go_on.set()
        await edge.until_serving("r2")
        assert (edge.answer("digits"), edge.answer("faces"), loads.most) == (3, 2, 2)


async def test_the_way_back_is_in_place_as_well_and_what_failed_is_better_than_nothing(
    server: FileServer, tmp_path: Path, loads: Loads
) -> None:
    async with device(tmp_path) as edge:
        first = await serving_one(edge, server)
        second = then(first, one_model(server, "r2", TWO))
        await edge.follow(second)
        await edge.until_serving("r2")
        edge.switching.give_back(Failure("KeepsFailing", "half of all requests fail"))
        await edge.until_state("Failed", "KeepsFailing")
        assert (edge.models.release, edge.answer(), loads.most) == ("r1", 1, 1)


async def test_where_the_release_to_go_back_to_does_not_load_the_one_that_fails_serves_on(
    server: FileServer, tmp_path: Path, loads: Loads
) -> None:
    async with device(tmp_path) as edge:
        first = await serving_one(edge, server)
        await edge.follow(then(first, one_model(server, "r2", TWO)))
        await edge.until_serving("r2")
        loads.errors = [ModelLoadError(Reason.LOAD_FAILED, "not today") for _ in range(2)]  # the stable one, its own
        edge.switching.give_back(Failure("KeepsFailing", "half of all requests fail"))
        await until(lambda: not loads.errors, "the last good release was tried")
        await edge.until_serving("r2")
        assert (edge.answer(), loads.most) == (2, 1)


async def test_where_nothing_loads_any_more_the_stable_release_is_tried_until_it_does(
    server: FileServer, tmp_path: Path, loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "backoff", lambda *_: 0.05)
    async with device(tmp_path) as edge:
        first = await serving_one(edge, server)
        loads.errors = [ModelLoadError(Reason.ACCELERATOR_MISSING, "no such device") for _ in range(5)]
        await edge.follow(then(first, one_model(server, "r2", TWO)))
        await until(lambda: not loads.errors, "nothing loads")
        await until(lambda: edge.models.release == "r1", "the device is there again")
        assert edge.states == {"digits": ("Failed", Reason.ACCELERATOR_MISSING)}, "r2 is not tried by and by"
