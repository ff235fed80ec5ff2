"""What people do in the middle of a rollout: they pause, pin, promote, change the waves, set a newer version."""

from __future__ import annotations

from tests.unit.core.rollouts import (
    SOAK,
    V2,
    V3,
    A,
    B,
    C,
    after,
    fleet,
    having,
    restart,
    roll,
    stage,
)
from tests.unit.core.world import World


def test_a_pause_holds_the_next_wave_and_nobody_goes_back() -> None:
    made = roll(fleet())
    made.edit(rollout={"waves": [{"nodes": 1}], "paused": True})
    after(made, 2 * SOAK)
    assert (len(having(made)), made.ready) == (1, ("False", "Paused"))
    made.edit(rollout={"waves": [{"nodes": 1}]})
    after(made, 0)
    assert len(having(made)) == 6


def test_a_pause_before_the_first_wave_lets_nobody_go() -> None:
    made = fleet(paused=True)
    roll(made)
    assert (having(made), made.ready) == (set(), ("False", "Paused"))
    assert made.plan is not None
    assert (made.plan.target, made.plan.switch.all, made.plan.switch.nodes) == (B, False, [])


def test_a_pause_in_the_last_wave_holds_those_who_have_not_got_to_it() -> None:
    made = fleet(waves=[], gates={"soak": "10m"})
    made.cut("pi-1")
    roll(made)
    made.edit(rollout={"gates": {"soak": "10m"}, "paused": True})
    made.settle()
    made.heal("pi-1")
    after(made, 0)
    assert having(made) == {f"pi-{i}" for i in range(2, 7)}
    made.edit(rollout={"gates": {"soak": "10m"}})
    made.settle()
    assert len(having(made)) == 6


def test_to_pin_the_stable_release_aborts_it() -> None:
    made = roll(fleet())
    made.edit(release=A)
    after(made, 0)
    assert having(made, A) == {f"pi-{i}" for i in range(1, 7)}
    assert made.ready == ("True", "Serving")
    assert "rejected" not in made.status["release"]


def test_to_promote_a_wave_skips_its_soak_and_no_other() -> None:
    made = roll(fleet())
    made.edit(rollout={"waves": [{"nodes": 1}, {"percent": 50}], "promote": f"{B}/1"})
    after(made, 0)
    assert stage(made) == (2, "Soaking")


def half_way() -> World:
    """Three of six serve B, and C comes."""
    made = roll(fleet())
    after(made, SOAK)
    assert len(having(made)) == 3
    return made


def test_a_new_version_in_the_middle_leaves_everybody_what_he_has_until_it_is_his_turn() -> None:
    made = half_way()
    had = having(made)
    roll(made, V3)
    (first,) = having(made, C)
    assert having(made, B) == had - {first}
    assert having(made, A) == set(made.nodes) - had - {first}
    assert made.status["release"] == {"stable": A, "target": C}
    for _ in range(3):
        after(made, SOAK)
    assert having(made, C) == set(made.nodes)
    assert made.status["release"] == {"stable": C, "target": C, "previous": A}


def test_who_keeps_an_earlier_version_outlives_restarts_and_writes_nothing() -> None:
    made = half_way()
    roll(made, V3)
    before = made.plan
    restart(made)
    made.settle()
    after(made, 100)
    assert made.plan == before


def test_a_device_that_slept_through_the_version_in_between_does_not_get_it() -> None:
    made = fleet(waves=[{"nodes": 5}])
    made.cut("pi-1")
    roll(made, V2)
    assert made.plan is not None
    made.edit(rollout={"waves": [{"nodes": 1}], "paused": True})
    roll(made, V3)
    assert made.plan.switch.keep == {B: sorted(having(made))}
    made.heal("pi-1")
    after(made, 0)
    assert made.served()["pi-1"] == A


def test_when_the_newest_version_fails_everybody_goes_back_to_the_stable_one() -> None:
    made = half_way()
    made.broken = {(name, C) for name in made.nodes}
    roll(made, V3)
    assert made.ready == ("False", "ReleaseRejected")
    assert having(made, A) == set(made.nodes)


def test_a_list_of_waves_that_is_shortened_releases_nobody_by_itself() -> None:
    made = roll(fleet(waves=[{"nodes": 1}, {"nodes": 2}, {"nodes": 3}]))
    after(made, SOAK)
    assert stage(made)[0] == 2
    made.edit(rollout={"waves": [{"nodes": 1}]})
    after(made, 0)
    assert len(having(made)) == 2


def test_waves_that_are_added_in_the_middle_count_from_there() -> None:
    made = fleet(waves=[])
    made.cut("pi-1")
    made.broken = {("pi-2", B)}
    roll(made)
    made.edit(rollout={"waves": [{"nodes": 1}]})
    after(made, 0)
    assert made.status["rollout"]["waves"] == 2


def test_the_same_release_under_a_new_plan_goes_on_where_it_was() -> None:
    made = roll(fleet())
    had = having(made)
    made.edit(serving={"maxQueue": 7})
    after(made, 5)
    assert (having(made), stage(made)) == (had, (1, "Soaking"))
