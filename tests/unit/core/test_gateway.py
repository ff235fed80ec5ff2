"""Who has the Service: a table of scenes, and what holds for whatever devices and gateway do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.core.gateway import Scene, Turn, turn

NOW = 1_700_000_000.0
TAKE, GIVE = 30.0, 60.0
DEVICES = Scene(serving=False, devices=3, gateways=1, take_over_after=TAKE, give_back_after=GIVE)
NONE_READY = replace(DEVICES, devices=0)
GATEWAY = replace(DEVICES, serving=True, devices=0)
ONE_BACK = replace(GATEWAY, devices=1)


def since(scene: Scene, ago: float) -> Scene:
    return replace(scene, turning_since=NOW - ago)


CASES: dict[str, tuple[Scene, Turn]] = {
    "devices that answer keep it": (DEVICES, Turn(False)),
    "one device is enough": (replace(DEVICES, devices=1), Turn(False)),
    "no device is ready: the time begins": (NONE_READY, Turn(False, NOW, TAKE)),
    "it runs": (since(NONE_READY, 12), Turn(False, NOW - 12, TAKE - 12)),
    "it has run: the gateway takes over": (since(NONE_READY, TAKE), Turn(True)),
    "the operator was away, and no device is ready": (since(NONE_READY, 3600), Turn(True)),
    "a device is ready again in time: as if nothing had been": (since(DEVICES, 29), Turn(False)),
    "it has run, and the gateway is not ready: nobody could answer": (
        replace(since(NONE_READY, 40), gateways=0),
        Turn(False, NOW - 40),
    ),
    "the gateway need not be ready while the time runs": (
        replace(since(NONE_READY, 12), gateways=0),
        Turn(False, NOW - 12, TAKE - 12),
    ),
    "the gateway keeps it while no device is ready": (GATEWAY, Turn(True)),
    "even one that cannot answer, since nobody could": (replace(GATEWAY, gateways=0), Turn(True)),
    "a device is ready: the time begins again": (ONE_BACK, Turn(True, NOW, GIVE)),
    "it runs again": (since(ONE_BACK, 59), Turn(True, NOW - 59, 1.0)),
    "it has run: the devices have it back": (since(ONE_BACK, GIVE), Turn(False)),
    "the device is gone again: the gateway keeps it": (since(GATEWAY, 59), Turn(True)),
    "the gateway is gone, and a device is ready: nothing to wait for": (
        replace(since(ONE_BACK, 1), gateways=0),
        Turn(False),
    ),
    "nobody wants a gateway any more": (replace(GATEWAY, wanted=False), Turn(False)),
    "nobody wants one at all": (replace(NONE_READY, wanted=False), Turn(False)),
    "a clock that was set back makes nobody wait for longer": (since(NONE_READY, -500), Turn(False, NOW, TAKE)),
    "no patience at all": (replace(NONE_READY, take_over_after=0.0), Turn(True)),
}


@pytest.mark.parametrize(("scene", "expected"), CASES.values(), ids=CASES)
def test_turn(scene: Scene, expected: Turn) -> None:
    assert turn(scene, NOW) == expected


@dataclass(frozen=True)
class Happening:
    """After some seconds, there are so many ready pods of each."""

    after: float
    devices: int
    gateways: int


FLAPPING = st.lists(
    st.builds(Happening, st.floats(0.05, 50), st.integers(0, 2), st.just(1)), min_size=1, max_size=40
)  # fmt: skip
ANYTHING = st.lists(st.builds(Happening, st.floats(0.05, 50), st.integers(0, 2), st.integers(0, 2)), max_size=40)


def played(happenings: list[Happening]) -> list[tuple[float, Scene]]:
    """Every look at a world in which these things happen, the looks that the decision asked for included."""
    scene, now, looks = replace(DEVICES, devices=1), NOW, list[tuple[float, Scene]]()

    def look() -> float | None:
        nonlocal scene
        decided = turn(scene, now)
        recorded = None if decided.turning_since is None else float(int(decided.turning_since))  # whole seconds
        scene = replace(scene, serving=decided.serving, turning_since=recorded)
        looks.append((now, scene))
        return decided.wait

    for happening in happenings:
        until, wait = now + happening.after, look()
        while wait is not None and now + wait < until:
            now += wait
            wait = look()
        now, scene = until, replace(scene, devices=happening.devices, gateways=happening.gateways)
    look()
    return looks


def flips(looks: list[tuple[float, Scene]]) -> list[tuple[float, bool]]:
    """When the Service changed hands, and whether the gateway got it."""
    changed = pairwise(looks)
    return [(now, scene.serving) for (_, before), (now, scene) in changed if before.serving is not scene.serving]


@given(FLAPPING)
def test_devices_that_come_and_go_never_make_it_change_hands_faster_than_it_may(happenings: list[Happening]) -> None:
    changes = flips(played(happenings))
    for (earlier, _), (later, to_gateway) in pairwise(changes):
        assert later - earlier >= (TAKE if to_gateway else GIVE)


@given(ANYTHING)
def test_the_gateway_never_gets_it_while_a_device_is_ready_or_when_it_is_not(happenings: list[Happening]) -> None:
    looks = played(happenings)
    for (_, before), (_, after) in pairwise(looks):
        if after.serving and not before.serving:
            assert (after.devices, after.gateways > 0) == (0, True)
        if before.serving and not after.serving:
            assert after.devices > 0


@given(ANYTHING, st.integers(0, 1), st.integers(0, 2))
def test_in_a_world_that_stands_still_whoever_can_answer_gets_it(
    happenings: list[Happening], devices: int, gateways: int
) -> None:
    still = [*happenings, Happening(1.0, devices, gateways), Happening(TAKE + GIVE + 2, devices, gateways)]
    _, scene = played(still)[-1]
    if devices:
        assert not scene.serving
    elif gateways:
        assert scene.serving


@given(ANYTHING)
def test_nothing_is_on_record_unless_something_is_about_to_change(happenings: list[Happening]) -> None:
    for _, scene in played(happenings):
        if scene.turning_since is not None:
            assert scene.serving is (scene.devices > 0)
