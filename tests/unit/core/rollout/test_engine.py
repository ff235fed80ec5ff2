"""What a look at a rollout comes to: the next wave, a promotion, or what it waits for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgewise.api.rollout import Wave
from edgewise.core.rollout.engine import step
from edgewise.core.rollout.scene import Scene, Standing
from edgewise.core.rollout.waves import whole
from tests.unit.core.builders import NOW
from tests.unit.core.rollout.scenes import member, members, scene


def new(**more: bool | float) -> Scene:
    """Nobody has it yet; ten devices could."""
    return replace(scene([], members(working=10)), standing=Standing(), **more)  # type: ignore[arg-type]


def test_a_new_release_begins_with_its_first_wave() -> None:
    done = step(new())
    assert (done.standing.wave, len(done.standing.released), done.standing.since, done.promoted) == (1, 1, NOW, False)


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        pytest.param(new(paused=True), "Paused", id="paused"),
        pytest.param(new(listening_until=NOW + 1), "Listening", id="the operator has just started"),
        pytest.param(replace(new(), members=tuple(members(offline=3))), "WaitingForDevices", id="all are offline"),
    ],
)
def test_or_waits(seen: Scene, reason: str) -> None:
    done = step(seen)
    assert done.word is not None
    assert (done.standing, done.word.reason) == (seen.standing, reason)


def test_of_no_device_at_all_it_is_promoted_at_once() -> None:
    assert step(replace(new(), members=())).promoted


def test_after_its_soak_the_next_wave_begins() -> None:
    done = step(scene([member("a")], members(working=10), wave=1))
    assert (done.standing.wave, len(done.standing.released)) == (2, 2)
    assert (done.standing.since, done.standing.soak_ends) == (NOW, None)


def test_after_the_last_it_is_promoted() -> None:
    assert step(scene(members(updated=10), [], wave=3)).promoted


def test_with_only_offline_devices_left_it_is_promoted() -> None:
    assert step(scene(members(updated=3), members(offline=7), wave=2)).promoted


def test_who_has_no_build_in_it_is_asked_again_in_the_last_wave_and_then_keeps_the_stable_one() -> None:
    done = step(scene(members(updated=3), [], wave=2, needed_elsewhere=True))
    assert (done.standing.wave, done.promoted) == (3, False)
    done = step(scene(members(updated=3), [], wave=3, needed_elsewhere=True))
    assert (done.word, done.promoted) == (None, False)


def test_the_soak_begins_when_the_devices_have_arrived() -> None:
    done = step(scene(members(working=1), soak_ends=None, since=NOW - 10))
    assert done.standing.soak_ends is None
    done = step(scene(members(updated=1), soak_ends=None, since=NOW - 10))
    assert done.standing.soak_ends == NOW + 600


def test_and_is_not_begun_anew_by_a_device_that_was_away() -> None:
    late = step(scene(members(updated=4, working=1), soak_ends=NOW + 5))
    assert late.standing.soak_ends == NOW + 5


@pytest.mark.parametrize(
    "wave", [Wave(nodes=2), Wave(selector={"site": "lab"})], ids=["of two", "of a site that is cut off"]
)
def test_devices_that_went_away_are_replaced(wave: Wave) -> None:
    gone = [member(f"gone-{i}", "offline", labels={"site": "lab"}) for i in range(2)]
    waves = whole([wave])
    before = scene(gone, members(working=5), wave=1, waves=waves, since=NOW - 599)
    assert step(before).standing == before.standing
    done = step(scene(gone, members(working=5), wave=1, waves=waves, since=NOW - 600))
    taken = done.standing.released - {"gone-0", "gone-1"}
    assert (len(taken), done.standing.replaced, done.standing.since) == (wave.nodes or 1, 1, NOW)


def test_a_rejection_releases_nobody_more() -> None:
    seen = scene([member("bad", "failed")], members(working=5), wave=1)
    done = step(seen)
    assert done.word is not None
    assert (done.word.stance, done.standing) == ("reject", seen.standing)


def test_a_look_at_the_same_scene_comes_to_the_same() -> None:
    seen = scene([member("a")], members(working=10), wave=1)
    assert step(seen) == step(seen)
