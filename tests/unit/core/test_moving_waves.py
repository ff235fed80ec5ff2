"""Moves between profiles by waves: with the release that is the reason for them, or on their own."""

from __future__ import annotations

from tests.unit.core.builders import node, released
from tests.unit.core.fleets import CPU, JETSON, A, settled
from tests.unit.core.moving import BETTER, FP16, moved, profiles
from tests.unit.core.rollouts import restart
from tests.unit.core.world import World


def test_a_new_release_takes_a_node_to_its_better_profile_with_its_wave() -> None:
    fleet = [node(f"orin-{i}", "jetson") for i in range(4)]
    waves = {"waves": [{"nodes": 1}, {"percent": 50}], "gates": {"soak": "10m"}}
    made = settled(fleet, [CPU, JETSON], rollout=waves)
    made.release(FP16)
    new = released(FP16).name
    for there in (1, 2, 4):
        made.settle()
        assert sorted(profiles(made).values()) == sorted(["jetson"] * there + ["cpu"] * (4 - there))
        assert sorted(made.served().values()) == sorted([new] * there + [A] * (4 - there))
        made.now += 601
        made.live()
    made.settle()
    assert made.ready == ("True", "Serving")
    assert (made.held, made.status["release"]["stable"]) == ({}, new)


def test_a_rejected_release_takes_back_who_moved_for_it_and_lets_go_of_who_waited() -> None:
    fleet = [node(f"orin-{i}", "jetson") for i in range(4)]
    made = settled(fleet, [CPU, JETSON], rollout={"waves": [{"nodes": 1}], "gates": {"soak": "10m"}})
    made.release(FP16)
    made.broken |= {(one.name, released(FP16).name) for one in fleet}
    made.settle()
    assert (set(profiles(made).values()), made.held) == ({"cpu"}, {})
    assert set(made.served().values()) == {A}
    assert made.ready[0] == "False"


def by_waves(*waves: dict[str, int]) -> World:
    return settled([node(f"pi-{i}") for i in range(6)], rollout={"waves": list(waves), "gates": {"soak": "10m"}})


def test_a_better_profile_goes_by_the_waves_that_somebody_asks_for_too() -> None:
    made = by_waves({"nodes": 1}, {"percent": 50})
    made.profiles.append(BETTER)
    for wave, there in ((1, 1), (2, 3), (3, 6)):
        made.settle()
        assert moved(made) == there
        if there < 6:
            (move,) = made.status["moves"]
            assert (move["wave"], move["waves"], move["reason"].partition(":")[0]) == (wave, 3, "Soaking")
            assert made.ready == ("True", "Serving")
        made.now += 601
    made.settle()
    assert "moves" not in made.status


def test_a_soak_of_a_move_is_skipped_by_the_name_of_its_profile() -> None:
    made = by_waves({"nodes": 1})
    made.profiles.append(BETTER)
    made.settle()
    made.edit(rollout={"waves": [{"nodes": 1}], "gates": {"soak": "10m"}, "promote": "better/1"})
    made.settle()
    assert moved(made) == 6


def test_the_waves_of_a_move_go_on_where_they_were_after_a_restart_of_the_operator() -> None:
    made = by_waves({"nodes": 1}, {"percent": 50})
    made.profiles.append(BETTER)
    made.settle()
    made.now += 300
    restart(made)
    made.settle()
    assert (moved(made), made.status["moves"][0]["wave"]) == (1, 1)
    made.now += 301
    made.settle()
    assert moved(made) == 3


def test_a_node_that_returns_takes_the_profile_its_wave_was_released_for() -> None:
    made = by_waves({"nodes": 1})
    made.cut("pi-0")
    made.profiles.append(BETTER)
    for _ in range(3):
        made.settle()
        made.now += 601
    assert (moved(made), made.held) == (5, {"pi-0": "cpu"})
    made.heal("pi-0")
    made.settle()
    assert (moved(made), made.held) == (6, {})
