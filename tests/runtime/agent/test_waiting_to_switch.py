"""A device has its next release at hand long before it may switch: not its turn, no window, somebody holds it."""

from __future__ import annotations

from pathlib import Path

from edgewise.api.names import Reason
from edgewise.contract.plan import Plan, PlanWindow, Switch
from tests.runtime.agent.devices import TestDevice, device, one_model, serving_one
from tests.runtime.agent.documents import sha256, then
from tests.runtime.agent.fileserver import FileServer, status
from tests.runtime.agent.tinymodels import ONE, TWO, scaling
from tests.runtime.agent.waiting import until

OTHERS = Switch(all=False, nodes=["node-9"])
ALWAYS = PlanWindow(schedule="* * * * *", duration_seconds=120)
NEVER_YET = PlanWindow(schedule="0 0 29 2 *", duration_seconds=1)


async def rolling_out(edge: TestDevice, server: FileServer, **more: object) -> Plan:
    """r1 serves; a plan for r2 is followed."""
    first = await serving_one(edge, server)
    document = then(first, one_model(server, "r2", TWO), **more)
    await edge.follow(document)
    return document


def has(edge: TestDevice, content: bytes) -> bool:
    return (edge.cache / "blobs" / "sha256" / sha256(content)).exists()


async def test_a_node_that_is_not_released_fetches_the_target_and_serves_the_stable_release(
    server: FileServer, tmp_path: Path
) -> None:
    async with device(tmp_path) as edge:
        document = await rolling_out(edge, server, switch=OTHERS)
        await until(lambda: has(edge, TWO), "the target is fetched ahead")
        assert (edge.models.release, edge.answer()) == ("r1", 1)
        assert edge.states == {"digits": ("Ready", "")}
        server.faults["/r2"] = [status(503)] * 9
        await edge.follow(document.model_copy(update={"sequence": 3, "switch": Switch()}))
        await edge.until_serving("r2")
        assert len(server.requests_for("/r2")) == 1


async def test_a_target_that_cannot_be_fetched_ahead_is_tried_again_and_nobody_is_alarmed(
    server: FileServer, tmp_path: Path
) -> None:
    async with device(tmp_path) as edge:
        server.faults["/r2"] = [status(503)]
        await rolling_out(edge, server, switch=OTHERS)
        await until(lambda: has(edge, TWO), "the second try brings it")
        assert edge.states == {"digits": ("Ready", "")}


async def test_a_node_that_is_released_in_the_middle_of_it_goes_on_where_it_was(
    server: FileServer, tmp_path: Path
) -> None:
    padded = scaling(2, padding=100_000)
    async with device(tmp_path) as edge:
        first = await serving_one(edge, server)
        server.faults["/r2"] = [server.stall_after(50_000)]
        document = then(first, one_model(server, "r2", padded), switch=OTHERS)
        await edge.follow(document)
        await server.stalled.wait()
        await edge.follow(document.model_copy(update={"sequence": 3, "switch": Switch()}))
        await edge.until_serving("r2")
        assert server.requests_for("/r2")[-1]["Range"] == "bytes=50000-"


async def test_a_closed_window_lets_a_release_come_and_wait(server: FileServer, tmp_path: Path) -> None:
    async with device(tmp_path) as edge:
        document = await rolling_out(edge, server, window=NEVER_YET)
        await edge.until_state("Pending", Reason.WINDOW_CLOSED)
        report = edge.report("digits")
        assert report.message.startswith("r2 is here and waits: rollout.window opens at ")
        assert report.downloaded == len(TWO)
        assert (edge.models.release, edge.answer()) == ("r1", 1)
        await edge.follow(document.model_copy(update={"sequence": 3, "window": ALWAYS}))
        await edge.until_serving("r2")


async def test_the_first_release_and_the_way_back_wait_for_no_window(server: FileServer, tmp_path: Path) -> None:
    async with device(tmp_path) as edge:
        first = one_model(server, "r1", ONE).model_copy(update={"window": NEVER_YET})
        await edge.follow(first)
        await edge.until_serving("r1")
        second = then(first, one_model(server, "r2", TWO), window=None)
        await edge.follow(second)
        await edge.until_serving("r2")
        await edge.follow(first.model_copy(update={"sequence": 3, "stable": "r1", "rejected": ["r2"]}))
        await edge.until_serving("r1")


async def test_a_robot_holds_the_switch_and_lets_it_go(server: FileServer, tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    async with device(tmp_path) as edge:
        hold.write_text("welding")
        await rolling_out(edge, server)
        await edge.until_state("Pending", Reason.HELD)
        assert "r2 is here and waits: held by a file at the device (welding)" in edge.report("digits").message
        assert edge.answer() == 1
        hold.unlink()
        await edge.until_serving("r2")


async def test_a_held_device_is_still_held_after_a_restart(server: FileServer, tmp_path: Path) -> None:
    async with device(tmp_path) as edge:
        first = await serving_one(edge, server)
        await edge.holds.put(600, "picking")
        await edge.follow(then(first, one_model(server, "r2", TWO)))
        await edge.until_state("Pending", Reason.HELD)
    async with device(tmp_path) as edge:
        await edge.until_state("Pending", Reason.HELD)
        assert (edge.models.release, edge.answer()) == ("r1", 1)
        await edge.holds.drop()
        await edge.until_serving("r2")


async def test_a_hold_that_begins_while_a_release_is_loaded_keeps_the_old_one(
    server: FileServer, tmp_path: Path
) -> None:
    async with device(tmp_path) as edge:
        first = await serving_one(edge, server)
        heard = edge.switching.progress.bell.listen()
        await edge.follow(then(first, one_model(server, "r2", TWO)))
        while edge.states["digits"][0] != "Loading":
            heard.clear()
            await heard.wait()
        await edge.holds.put(600, "in the middle")
        await edge.until_state("Pending", Reason.HELD)
        assert (edge.models.release, edge.answer()) == ("r1", 1)
        await edge.holds.drop()
        await edge.until_serving("r2")
