"""Who may hold a device, for how long, and what outlives what."""

from __future__ import annotations

import os
from pathlib import Path

import aiohttp
import pytest

from edgewise_runtime.agent.clock import Clock
from edgewise_runtime.agent.holds import WHY_CHARACTERS, HoldError, Holds
from edgewise_runtime.models import Models
from edgewise_runtime.server import Server
from edgewise_runtime.settings import Settings

NOW = 2_000_000_000.0


class Place:
    """A device: its clock, the file of whoever is at it, its cache."""

    def __init__(self, root: Path) -> None:
        self.now = NOW
        self.file = root / "robot" / "hold"
        self.cache = root / "cache"
        self.file.parent.mkdir()
        self.cache.mkdir()

    def started(self) -> Holds:
        """As a process that has just begun knows it."""
        clock = Clock(self.cache, lambda: self.now)
        return Holds(self.file, 3600.0, lambda: self.cache, clock)

    def write(self, text: str = "") -> None:
        self.file.write_text(text)
        os.utime(self.file, (self.now, self.now))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def test_a_file_holds_while_it_is_there(place: Place) -> None:
    holds = place.started()
    heard = holds.bell.listen()
    assert await holds.look() is None
    place.write("welding seam 7\nand more that nobody reads")
    assert str(await holds.look()) == (
        "held by a file at the device (welding seam 7), until 2033-05-18T04:33Z at the latest"
    )
    assert heard.is_set()
    heard.clear()
    await holds.look()
    assert not heard.is_set()
    place.file.unlink()
    assert await holds.look() is None
    assert heard.is_set()


async def test_a_hold_that_was_forgotten_ends_and_one_that_is_touched_goes_on(place: Place) -> None:
    holds = place.started()
    place.write()
    place.now += 3599
    assert await holds.look() is not None
    place.now += 2
    assert await holds.look() is None
    assert await place.started().look() is None, "nor does a restart bring it back"
    os.utime(place.file, (place.now, place.now))
    assert await holds.look() is not None


async def test_a_file_from_a_future_that_was_set_back_ends_all_the_same(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = [0.0]
    monkeypatch.setattr("edgewise_runtime.agent.holds.passing", lambda: passed[0])
    place.write()
    place.now -= 10 * 365 * 86_400
    holds = place.started()
    assert await holds.look() is not None
    passed[0] = 3601.0
    assert await holds.look() is None


async def test_a_hold_by_the_endpoint_survives_a_restart_and_its_end(place: Place) -> None:
    await place.started().put(600, "picking")
    after = place.started()
    assert str(await after.look()) == "held by its hold endpoint (picking), until 2033-05-18T03:43Z at the latest"
    place.now += 601
    assert await after.look() is None


async def test_the_endpoint_ends_its_own_holds_and_nobody_elses(place: Place) -> None:
    holds = place.started()
    place.write("the line")
    await holds.put(None, "me, too")
    await holds.drop()
    assert "a file at the device (the line)" in str(await holds.look())


@pytest.mark.parametrize("seconds", [0, -1, 3601, float("nan"), float("inf")])
async def test_nobody_holds_for_longer_than_one_may(place: Place, seconds: float) -> None:
    with pytest.raises(HoldError, match="above 0 and at most 3600"):
        await place.started().put(seconds, "")
    assert await place.started().look() is None


async def test_before_there_is_a_plan_there_is_nothing_to_hold(place: Place) -> None:
    holds = Holds(place.file, 3600.0, lambda: None, Clock(place.cache))
    with pytest.raises(HoldError, match="follows no plan yet"):
        await holds.put(1, "")
    await holds.drop()
    assert await holds.look() is None


async def test_what_a_file_says_is_cut_and_cleaned(place: Place) -> None:
    place.file.write_bytes(b"\xff\x1b[31mred" + b"x" * 5000)
    os.utime(place.file, (NOW, NOW))
    hold = await place.started().look()
    assert hold is not None
    assert hold.why.startswith("\ufffd[31mred")
    assert len(hold.why) == WHY_CHARACTERS


async def test_a_damaged_note_of_the_endpoint_holds_no_longer_than_one_may(place: Place) -> None:
    note = place.cache / "hold"
    note.write_bytes(b"\x00\xff")
    os.utime(note, (NOW - 3601, NOW - 3601))
    assert await place.started().look() is None
    os.utime(note, (NOW, NOW))
    assert await place.started().look() is not None


async def test_a_robot_holds_and_lets_go_over_http(place: Place) -> None:
    server = Server(Models(), Settings(host="127.0.0.1", http_port=0, grpc=False, metrics_port=0))
    server.take_holds(place.started())
    await server.start()
    url = f"http://127.0.0.1:{server.metrics_port}/hold"
    try:
        async with aiohttp.ClientSession() as http:
            async with http.get(url) as answer:
                assert (answer.status, await answer.text()) == (200, "nobody holds this device\n")
            async with http.put(f"{url}?seconds=600", data="welding") as answer:
                assert answer.status == 200
                assert "held by its hold endpoint (welding)" in await answer.text()
            for query, says in (("?seconds=soon", "seconds must be a number"), ("?seconds=1e9", "at most 3600")):
                async with http.put(f"{url}{query}") as answer:
                    assert answer.status == 400
                    assert says in await answer.text()
            async with http.put(url, data="x" * 1025) as answer:
                assert answer.status == 413
            async with http.delete(url) as answer:
                assert (answer.status, await answer.text()) == (200, "nobody holds this device\n")
            async with http.post(url) as answer:
                assert (answer.status, answer.headers["Allow"]) == (405, "GET, PUT, DELETE")
    finally:
        await server.drain(0.0)
