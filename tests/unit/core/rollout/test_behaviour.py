"""What a wave has shown, as figures: of all devices together and of each profile, and the worst of them counts."""

from __future__ import annotations

import pytest

from edgewise.core.rollout.behaviour import Witness, behaviour
from edgewise.core.rollout.evidence import Evidence, Trial


def witnesses(profile: str, count: int, requests: int = 100, failures: int = 0) -> list[Witness]:
    target = Evidence(requests=requests, failures=failures)
    return [Witness(profile, Trial(f"{profile}-{i}", target)) for i in range(count)]


def test_nobody_has_shown_anything() -> None:
    found = behaviour([], 100)
    assert (found.requests, found.counted, found.error_rate, found.latency_ratio) == (0, 0, None, None)


def test_requests_are_added_and_one_device_counts_for_a_part_of_what_is_needed() -> None:
    found = behaviour([*witnesses("cpu", 3, requests=0), *witnesses("cpu", 1, requests=1000)], 100)
    assert (found.requests, found.counted) == (1000, 25)


def test_a_release_that_fails_on_one_profile_is_as_bad_as_that() -> None:
    found = behaviour([*witnesses("cpu", 17), *witnesses("coral", 3, failures=50)], 0)
    assert found.error_rate == pytest.approx(0.5)
    assert found.where == {"error_rate": "profile coral"}


def test_two_devices_do_not_speak_for_their_profile() -> None:
    found = behaviour([*witnesses("cpu", 18), *witnesses("coral", 2, failures=50)], 0)
    assert found.error_rate is not None
    assert (found.error_rate < 0.1, found.where) == (True, {})


def test_a_fleet_of_one_profile_has_no_second_word() -> None:
    assert behaviour(witnesses("cpu", 5, failures=10), 0).where == {}
