"""Devices that cannot be reached, come back, or say nothing, while a release goes wave by wave."""

from __future__ import annotations

from tests.unit.core.rollouts import (
    SOAK,
    after,
    answered,
    fleet,
    having,
    pis,
    roll,
    stage,
)


def test_offline_devices_hold_no_wave_and_take_it_when_they_return_to_a_released_one() -> None:
    made = fleet(pis(10))
    made.cut(*(f"pi-{i}" for i in range(1, 8)))
    roll(made)
    assert len(having(made)) == 1
    after(made, SOAK)
    after(made, SOAK)
    assert len(having(made)) == 3
    after(made, SOAK)
    assert made.ready == ("True", "Serving")
    made.heal(*(f"pi-{i}" for i in range(1, 8)))
    after(made, 0)
    assert len(having(made)) == 10


def test_a_device_that_returns_before_its_wave_stays_on_the_stable_release() -> None:
    made = fleet()
    made.cut("pi-1", "pi-2", "pi-3")
    roll(made)
    made.heal("pi-1", "pi-2", "pi-3")
    after(made, 0)
    assert made.plan is not None
    assert having(made) <= set(made.plan.switch.nodes)
    assert len(having(made) & {"pi-4", "pi-5", "pi-6"}) == 1


def test_a_wave_whose_only_device_goes_away_takes_another_after_a_soak() -> None:
    made = roll(fleet())
    (first,) = having(made)
    made.cut(first)
    after(made, 30)
    assert stage(made) == (1, "DevicesLost")
    after(made, SOAK)
    assert (len(having(made)), stage(made)) == (2, (1, "Soaking"))
    after(made, SOAK)
    assert stage(made)[0] == 2


def test_a_release_that_takes_devices_off_the_network_gets_four_of_them() -> None:
    made = roll(fleet(pis(20)))
    for _ in range(12):
        made.cut(*having(made))
        after(made, SOAK)
    assert len(having(made)) == 4
    assert made.ready == ("False", "DevicesLost")
    assert made.status["conditions"][1]["type"] == "Stalled"


def test_quiet_devices_are_waited_for_until_the_deadline() -> None:
    made = roll(fleet(gates={"minRequests": 100, "deadline": "1h", "onTooFew": "Promote"}))
    after(made, SOAK)
    assert stage(made) == (1, "TooFewRequests")
    answered(made, 100)
    after(made, 5)
    assert stage(made)[0] == 2
    after(made, 3600)
    assert stage(made)[0] == 3


def test_of_that_only_the_time_counts_in_which_devices_may_switch() -> None:
    window = {"schedule": "0 2 * * *", "duration": "1h"}
    made = roll(fleet(gates={"minRequests": 100, "deadline": "2h", "onTooFew": "Promote"}, window=window))
    day = made.now - made.now % 86400 + 86400  # midnight
    for night, wave in ((0, 1), (1, 2)):
        made.now = day + night * 86400 + 10800 - 1  # the window is about to shut
        after(made, 0)
        assert stage(made) == (1, "TooFewRequests")
        after(made, 1)
        assert stage(made)[0] == wave


def test_the_device_that_does_not_report_holds_the_wave() -> None:
    made = roll(fleet())
    made.mute |= having(made)
    after(made, SOAK)
    assert stage(made) == (1, "DevicesSilent")
    made.mute |= set(made.nodes)
    after(made, SOAK)
    assert stage(made) == (1, "ReportsUnavailable")
    made.mute.clear()
    after(made, 0)
    assert stage(made)[0] == 2


def test_devices_that_reported_long_ago_are_not_silent_before_they_had_a_chance_to_speak() -> None:
    """While nothing rolls out they report every five minutes."""
    made = fleet()
    made.mute |= set(made.nodes)
    made.now += 290
    roll(made)
    assert stage(made) == (1, "WaitingForDevices")
    made.now += 91
    made.settle()
    assert stage(made) == (1, "ReportsUnavailable")
