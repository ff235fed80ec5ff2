"""What a wave must show: each check by its cases, then which of them decides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgewise.api.rollout import Window
from edgewise.core.rollout import gates
from edgewise.core.rollout.scene import Scene
from tests.unit.core.builders import NOW
from tests.unit.core.rollout.scenes import member, members, scene

CORALS = [member(f"t{i}", "failed", "coral") for i in range(2)]
FAILED = member("bad", "failed", says="the graph has an unknown operator")


def said(seen: Scene) -> tuple[str, str] | None:
    """Stance and reason of the check that decides."""
    word = gates.first(seen)
    return (word.stance, word.reason) if word is not None else None


def test_a_wave_that_has_shown_everything_goes_on() -> None:
    assert gates.first(scene(members(updated=10))) is None


@pytest.mark.parametrize(
    ("within", "more", "expected"),
    [
        pytest.param([FAILED], {"wave": 1}, 0, id="nobody in the first wave"),
        pytest.param(members(updated=100), {"wave": 1}, 0, id="however large it is"),
        pytest.param(members(updated=9), {}, 0, id="later five percent, to the nearest: of nine none"),
        pytest.param(members(updated=10), {}, 1, id="of ten one"),
        pytest.param(members(updated=400), {}, 20, id="of 400 twenty"),
        pytest.param(members(updated=10), {"wave": 1, "outside": []}, 1, id="a first wave of everybody is no first"),
        pytest.param(members(updated=10), {"limits": {"max_failed": 0}}, 0, id="or as written: none"),
        pytest.param(members(updated=10), {"limits": {"max_failed": 30}, "wave": 1}, 3, id="in every wave"),
        pytest.param([*members(updated=10), *members(offline=90)], {}, 1, id="offline devices are not counted"),
    ],
)  # fmt: skip
def test_so_many_devices_may_fail(within: list[Any], more: dict[str, Any], expected: int) -> None:
    assert gates.allowed_failures(scene(within, more.pop("outside", None), **more)) == expected


def test_one_failure_too_many_is_the_end_of_a_release() -> None:
    assert said(scene([*members(updated=10), FAILED])) is None
    seen = scene([*members(updated=10), FAILED, replace(FAILED, name="worse")])
    assert said(seen) == ("reject", "TooManyFailed")
    word = gates.first(seen)
    assert word is not None
    assert word.message == "2 of 12 devices cannot serve it (bad, worse): the graph has an unknown operator"


def test_failures_of_devices_that_never_got_it_are_not_counted() -> None:
    assert said(scene(members(updated=5), [FAILED])) is None


@pytest.mark.parametrize(
    ("within", "expected"),
    [
        pytest.param([*members(updated=60), *CORALS], True, id="all two"),
        pytest.param([*members(updated=60), member("t", "failed", "coral")], False, id="one may be broken itself"),
        pytest.param(
            [*members(updated=60), *CORALS, member("t", "updated", "coral")],
            False, id="one of three can serve it",
        ),
        pytest.param(
            [*members(updated=60), *CORALS, member("t", "working", "coral")],
            True, id="one has not tried yet",
        ),
    ],
)  # fmt: skip
def test_a_profile_on_which_it_fails_everywhere_is_enough(within: list[Any], expected: bool) -> None:
    assert (said(scene(within)) == ("reject", "TooManyFailed")) is expected


FIGURES = [
    pytest.param({"error_rate": 0.02}, {"error_rate": 0.01}, "ErrorRate", id="errors"),
    pytest.param({"latency_ratio": 1.3}, {"latency_ratio": 1.2}, "LatencyRatio", id="latency"),
    pytest.param({"confidence_shift": 0.3}, {"confidence_shift": 0.25}, "ConfidenceShift", id="confidence"),
]


@pytest.mark.parametrize(("figures", "limits", "reason"), FIGURES)
def test_at_the_end_a_figure_beyond_its_limit_rejects(
    figures: dict[str, Any], limits: dict[str, Any], reason: str
) -> None:
    assert said(scene(members(updated=3), **figures, requests=10, limits=limits)) == ("reject", reason)
    assert said(scene(members(updated=3), **limits, requests=10, limits=limits)) is None
    assert said(scene(members(updated=3), **figures, requests=10)) is None, "not asked for"


@pytest.mark.parametrize(("figures", "limits", "reason"), FIGURES)
def test_without_a_return_the_same_only_stops_the_rollout(
    figures: dict[str, Any], limits: dict[str, Any], reason: str
) -> None:
    seen = scene(members(updated=3), **figures, requests=10, limits={**limits, "rollback": False})
    assert said(seen) == ("stuck", reason)


@pytest.mark.parametrize(
    ("figures", "limits", "expected"),
    [
        pytest.param({"error_rate": 0.05, "requests": 1000}, {"error_rate": 0.01}, True, id="far more errors"),
        pytest.param({"error_rate": 0.012, "requests": 1000}, {"error_rate": 0.01}, False, id="chance makes as many"),
        pytest.param({"error_rate": 0.5, "requests": 4}, {"error_rate": 0.01}, False, id="two failures convict nobody"),
        pytest.param({"error_rate": 0.75, "requests": 4}, {"error_rate": 0.01}, True, id="three of four do"),
        pytest.param({"error_rate": 0.75, "requests": 4}, {"error_rate": 0.0}, True, id="where none is allowed"),
        pytest.param({"latency_ratio": 1.4}, {"latency_ratio": 1.2}, False, id="a little slow"),
        pytest.param({"latency_ratio": 1.6}, {"latency_ratio": 1.2}, True, id="plainly slow"),
        pytest.param({"confidence_shift": 0.26}, {"confidence_shift": 0.25}, False, id="a little different"),
        pytest.param({"confidence_shift": 0.6}, {"confidence_shift": 0.25}, True, id="plainly different"),
    ],
)  # fmt: skip
def test_before_the_end_only_what_is_plain_rejects(
    figures: dict[str, Any], limits: dict[str, float], expected: bool
) -> None:
    seen = scene(members(updated=3), **figures, limits=limits, soak_ends=NOW + 300)
    assert said(seen) == (("reject", next(iter(limits)).title().replace("_", "")) if expected else ("wait", "Soaking"))


def test_evidence_counts_while_it_is_paused_and_after_a_restart() -> None:
    bad = scene([*members(updated=1), FAILED], paused=True, listening_until=NOW + 10)
    assert said(bad) == ("reject", "TooManyFailed")


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        pytest.param({"paused": True}, ("wait", "Paused"), id="paused"),
        pytest.param({"listening_until": NOW + 5}, ("wait", "Listening"), id="the operator has just started"),
        pytest.param({"soak_ends": NOW + 1}, ("wait", "Soaking"), id="it soaks"),
        pytest.param({"soak_ends": NOW}, None, id="it has soaked"),
        pytest.param({"soak_ends": None}, ("wait", "Soaking"), id="its devices have just arrived"),
        pytest.param({"soak_ends": NOW + 1, "promote": "2.0.0-b/2"}, None, id="a person skips the soak"),
        pytest.param({"soak_ends": NOW + 1, "promote": "2.0.0-b/1"}, ("wait", "Soaking"), id="of an earlier wave"),
        pytest.param({"soak_ends": NOW + 1, "promote": "1.0.0-a/2"}, ("wait", "Soaking"), id="of another release"),
    ],
)
def test_the_next_wave_waits(more: dict[str, Any], expected: tuple[str, str] | None) -> None:
    assert said(scene(members(updated=3), **more)) == expected


LATE: dict[str, Any] = {"since": NOW - 86401, "soak_ends": None}
EARLY: dict[str, Any] = {"since": NOW - 100, "soak_ends": None}


@pytest.mark.parametrize(
    ("within", "more", "expected"),
    [
        pytest.param(members(updated=4, working=1), EARLY, "WaitingForDevices", id="one is on its way"),
        pytest.param(members(updated=4, starting=1), EARLY, "WaitingForDevices", id="one starts"),
        pytest.param(members(updated=9, working=1), EARLY, "Soaking", id="maxUnavailable of ten may be late"),
        pytest.param(members(updated=4, working=1), LATE, "Soaking", id="at least one after the deadline"),
        pytest.param(members(updated=3, working=2), LATE, "WaitingForDevices", id="not two of five"),
        pytest.param(members(working=1), LATE, "WaitingForDevices", id="not the only one"),
        pytest.param(members(updated=4, offline=6), EARLY, "Soaking", id="offline devices hold nobody"),
        pytest.param(members(updated=4, working=1), {"soak_ends": NOW + 9}, "Soaking", id="one catches up"),
        pytest.param(members(working=1), {}, "WaitingForDevices", id="the only one has to be there at the end"),
        pytest.param(members(updated=2, working=3), {}, "WaitingForDevices", id="and so have most"),
    ],
)  # fmt: skip
def test_devices_on_their_way_hold_it(within: list[Any], more: dict[str, Any], expected: str) -> None:
    assert said(scene(within, **more)) == ("wait", expected)


def test_a_device_that_cannot_get_an_image_is_the_first_to_be_told_of() -> None:
    lacking = member("pi-9", "working", reason="ImageNotPulled", says="ImageNotPulled: no route")
    word = gates.first(scene([*members(updated=4, working=2), lacking], **EARLY))
    assert word is not None
    assert (word.reason, word.message) == (
        "ImageNotPulled", "3 of 7 devices are on their way (pi-9): ImageNotPulled: no route",
    )  # fmt: skip


SILENT = replace(member("quiet"), silent=True)
QUIET = [member(f"other-{i}", "working", silent=True) for i in range(3)]


@pytest.mark.parametrize(
    ("within", "outside", "more", "expected"),
    [
        pytest.param([*members(updated=4), SILENT], None, {}, ("wait", "DevicesSilent"), id="one is silent"),
        pytest.param([*members(updated=9), SILENT], None, {}, None, id="one of ten"),
        pytest.param([SILENT], None, LATE, ("wait", "DevicesSilent"), id="the only one, for ever"),
        pytest.param([*members(updated=4), SILENT], None, {"since": NOW - 86401}, None, id="one, after the deadline"),
        pytest.param([SILENT], QUIET, {}, ("wait", "ReportsUnavailable"), id="all the others are silent, too"),
        pytest.param([*members(updated=4), SILENT], QUIET, {}, ("wait", "ReportsUnavailable"), id="more of the others"),
        pytest.param(
            [SILENT], [*QUIET, *members(working=1)], {}, ("wait", "DevicesSilent"), id="some of the others speak",
        ),
        pytest.param(members(updated=5), QUIET, {}, None, id="only others are silent"),
    ],
)  # fmt: skip
def test_silence_holds_and_never_rejects(
    within: list[Any], outside: list[Any] | None, more: dict[str, Any], expected: tuple[str, str] | None
) -> None:
    assert said(scene(within, outside, **more)) == expected


NIGHTLY = Window(schedule="0 2 * * *", duration="1h")


def test_a_deadline_does_not_count_while_the_window_is_shut() -> None:
    late = {**LATE, "since": NOW - 3 * 86400}
    within = members(updated=4, working=1)
    assert said(scene(within, **late)) == ("wait", "Soaking")
    assert said(scene(within, **late, window=NIGHTLY)) == ("wait", "WaitingForDevices"), "three hours of it are over"
    assert said(scene(within, **late, window=NIGHTLY, limits={"deadline": 10801})) == ("wait", "WaitingForDevices")
    assert said(scene(within, **late, window=NIGHTLY, limits={"deadline": 10800})) == ("wait", "Soaking")


@pytest.mark.parametrize(
    ("outside", "more", "expected"),
    [
        pytest.param([], {}, ("wait", "WaitingForDevices"), id="everybody is offline"),
        pytest.param(None, {}, ("wait", "DevicesLost"), id="others take their place"),
        pytest.param(None, {"replaced": 3}, ("stuck", "DevicesLost"), id="not for ever"),
        pytest.param(None, {"replaced": 3, "promote": "2.0.0-b/2"}, ("wait", "DevicesLost"), id="but a person may"),
    ],
)  # fmt: skip
def test_a_wave_whose_devices_all_went_away(
    outside: list[Any] | None, more: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert said(scene(members(offline=2), outside, **more)) == expected


OVERDUE: dict[str, Any] = {**LATE, "soak_ends": NOW}


def unclear(**limits: float) -> dict[str, Any]:
    """Enough requests, of which this gate can make nothing."""
    return {"counted": 1, "limits": {"min_requests": 1, **limits}}


FEW: dict[str, Any] = {"limits": {"min_requests": 100}, "counted": 7}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        pytest.param(FEW, ("wait", "TooFewRequests"), id="before the deadline it waits"),
        pytest.param({**FEW, "counted": 100}, None, id="enough"),
        pytest.param({**FEW, "promote": "2.0.0-b/2"}, None, id="a person has seen enough"),
        pytest.param({**FEW, **OVERDUE}, ("stuck", "TooFewRequests"), id="after it, and no test"),
        pytest.param({**FEW, **OVERDUE, "self_tested": True}, None, id="the test stands in"),
        pytest.param(
            {**OVERDUE, "self_tested": True, "limits": {"min_requests": 1, "on_too_few": "Hold"}},
            ("stuck", "TooFewRequests"), id="Hold waits for a person",
        ),
        pytest.param(
            {**OVERDUE, "limits": {"min_requests": 1, "on_too_few": "Promote"}}, None, id="Promote",
        ),
        pytest.param(unclear(error_rate=0.1), ("wait", "TooFewRequests"), id="a gate nobody can judge"),
        pytest.param(unclear(latency_ratio=1.2), ("wait", "TooFewRequests"), id="or this one"),
        pytest.param(unclear(confidence_shift=0.2), ("wait", "TooFewRequests"), id="or that"),
        pytest.param({"limits": {"error_rate": 0.1}}, None, id="which nobody asked to be judged"),
    ],
)  # fmt: skip
def test_too_few_requests(more: dict[str, Any], expected: tuple[str, str] | None) -> None:
    assert said(scene(members(updated=3), **more)) == expected


def test_what_is_lacking_is_named_with_what_to_do() -> None:
    word = gates.first(scene(members(updated=3), **FEW, **OVERDUE))
    assert word is not None
    assert word.message == (
        "too few requests for minRequests (7 of 100) within gates.deadline, and the model has no selfTest to go by "
        "instead; set rollout.promote: 2.0.0-b/2 to go on"
    )


def test_a_figure_says_whose_it_is() -> None:
    seen = scene(
        members(updated=3),
        error_rate=0.2,
        requests=100,
        limits={"error_rate": 0.01},
        where={"error_rate": "profile coral"},
    )
    word = gates.first(seen)
    assert word is not None
    assert word.message == "20 % of its requests fail; errorRate allows 1 % (profile coral)"
