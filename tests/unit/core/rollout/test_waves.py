"""Which devices a wave holds: counts, percentages, selectors, offline devices, devices that join."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.api.rollout import Wave
from edgewise.core.rollout.waves import Draw, Member, extent, following, whole
from tests.unit.core.rollout.scenes import member

NOBODY: frozenset[str] = frozenset()
EVERYBODY = Wave(percent=100)
DRAW = Draw("2.0.0-b", began="2026-01-01T00:00:00Z")


def fleet(count: int, offline: int = 0, **more: str) -> list[Member]:
    """Named so that the offline ones are spread over the draw."""
    return [member(f"n{i}", "offline" if i < offline else "working", **more) for i in range(count)]


def drawn(members: list[Member], released: frozenset[str] = NOBODY) -> list[Member]:
    return DRAW.order(members, released)


@pytest.mark.parametrize(
    ("waves", "expected"),
    [
        pytest.param([], [EVERYBODY], id="none: all at once"),
        pytest.param([Wave(nodes=1)], [Wave(nodes=1), EVERYBODY], id="the rest is implicit"),
        pytest.param([Wave(nodes=1), EVERYBODY], [Wave(nodes=1), EVERYBODY], id="or written down"),
        pytest.param([EVERYBODY, Wave(nodes=1)], [EVERYBODY], id="nothing comes after everybody"),
    ],
)
def test_the_last_wave_takes_everybody(waves: list[Wave], expected: list[Wave]) -> None:
    assert list(whole(waves)) == expected


@pytest.mark.parametrize(
    ("wave", "members", "count"),
    [
        pytest.param(Wave(nodes=1), fleet(5), 1, id="a number"),
        pytest.param(Wave(nodes=9), fleet(5), 5, id="a number beyond the fleet"),
        pytest.param(Wave(percent=10), fleet(11), 2, id="a share is rounded up"),
        pytest.param(Wave(percent=1), fleet(1), 1, id="a fleet of one"),
        pytest.param(Wave(percent=10), fleet(40, offline=20), 2, id="offline devices are not counted"),
        pytest.param(Wave(percent=100), fleet(5, offline=5), 0, id="nobody can be reached"),
    ],
)
def test_a_wave_holds_so_many_devices_one_can_reach(wave: Wave, members: list[Member], count: int) -> None:
    taken = extent(wave, drawn(members))
    assert sum(one.reachable for one in members if one.name in taken) == count


def test_a_wave_of_everybody_holds_the_offline_ones_too() -> None:
    assert len(extent(EVERYBODY, drawn(fleet(5, offline=5)))) == 5


def test_a_selector_takes_who_bears_the_labels_reachable_or_not() -> None:
    lab = [replace(one, labels={"site": "lab"}) for one in fleet(3, offline=1)]
    shop = [member("shop", "working", labels={"site": "shop"}), member("bare", "working")]
    assert extent(Wave(selector={"site": "lab"}), drawn([*lab, *shop])) == {"n0", "n1", "n2"}


def test_counts_begin_with_those_who_have_it() -> None:
    """Cumulative: ten percent after a selector are not ten percent more."""
    members = fleet(20)
    held = frozenset({"n3", "n7"})
    assert extent(Wave(percent=10), drawn(members, held)) == held


def test_a_small_wave_takes_one_device_of_each_profile_first() -> None:
    members = [
        *fleet(30),
        *(member(f"tpu-{i}", "working", "coral") for i in range(2)),
        member("j", "working", "jetson"),
    ]
    taken = extent(Wave(nodes=3), drawn(members))
    assert {one.profile for one in members if one.name in taken} == {"cpu", "coral", "jetson"}


def test_a_profile_that_is_spoken_for_needs_no_other_device() -> None:
    members = [*fleet(3), *(member(f"tpu-{i}", "working", "coral") for i in range(2))]
    first = frozenset({"n0", "tpu-0"})
    ordered = drawn(members, first)
    assert [one.name for one in ordered[:2]] == sorted(first, key=[one.name for one in ordered].index)
    assert drawn(members, first) == drawn(members[::-1], first)


def test_devices_that_join_come_last() -> None:
    members = fleet(10)
    late = [member(f"new-{i}", "working", created="2026-06-01T00:00:00Z") for i in range(3)]
    old = [replace(one, created="2025-06-01T00:00:00Z") for one in members]
    assert {one.name for one in drawn([*late, *old])[-3:]} == {"new-0", "new-1", "new-2"}


def test_another_release_draws_other_devices() -> None:
    members = fleet(50)
    firsts = {Draw(f"2.0.{i}-x").order(members, NOBODY)[0].name for i in range(10)}
    assert len(firsts) > 3


WAVES = [Wave(nodes=1), Wave(nodes=1), Wave(percent=10), EVERYBODY]


@pytest.mark.parametrize(
    ("after", "released", "members", "number"),
    [
        pytest.param(0, NOBODY, fleet(5), 1, id="the first"),
        pytest.param(1, frozenset({"n4"}), fleet(5), 4, id="two empty ones are skipped"),
        pytest.param(0, NOBODY, fleet(5, offline=5), None, id="nobody can be reached"),
        pytest.param(1, frozenset({"n4"}), fleet(5, offline=4), None, id="only offline ones are left"),
        pytest.param(1, frozenset({"n0"}), fleet(1), None, id="a fleet of one"),
    ],
)
def test_the_next_wave_is_the_next_that_adds_a_device(
    after: int, released: frozenset[str], members: list[Member], number: int | None
) -> None:
    found = following(WAVES, drawn(members, released), after, released)
    assert (found[0] if found else None) == number


MEMBERS = st.lists(
    st.builds(
        Member,
        name=st.integers(0, 40).map(lambda i: f"n{i}"),
        profile=st.sampled_from(["cpu", "coral"]),
        labels=st.sampled_from([{}, {"site": "lab"}]),
        created=st.sampled_from(["2025-01-01T00:00:00Z", "2026-06-01T00:00:00Z"]),
        state=st.sampled_from(["offline", "working", "updated"]),
    ),
    unique_by=lambda one: one.name,
    max_size=30,
)
SOME = st.builds(Wave, nodes=st.integers(1, 40)) | st.builds(Wave, percent=st.integers(1, 100))
ANY = SOME | st.just(Wave(selector={"site": "lab"}))


@given(MEMBERS, st.lists(ANY, max_size=5))
def test_going_through_the_waves_adds_somebody_each_time_and_ends_with_everybody(
    members: list[Member], written: list[Wave]
) -> None:
    waves, after, released = whole(written), 0, NOBODY
    while (found := following(waves, drawn(members, released), after, released)) is not None:
        number, taken = found
        assert number > after
        assert released < taken
        after, released = number, taken
    assert {one.name for one in members if one.reachable} <= released


@given(MEMBERS, SOME)
def test_the_order_of_the_list_draws_nobody(members: list[Member], wave: Wave) -> None:
    assert extent(wave, drawn(members)) == extent(wave, drawn(members[::-1]))
