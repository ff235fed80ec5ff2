"""What devices measured decides which build they get, once enough of them agree, and without flapping."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.core import measured
from edgewise.core.matching import fit
from tests.unit.core.builders import ONNX_FP16, ONNX_FP32, build, model, node, profile, sha
from tests.unit.core.fleets import settled
from tests.unit.core.world import World, world

LIKES_FP32 = profile("cpu", ONNX_FP32, ONNX_FP16)
BOTH = model("digits", build("fp32"), build("fp16", ONNX_FP16))
FLEET = [node(f"pi-{i}") for i in range(1, 6)]


def fleet(**latencies: float) -> World:
    """Five devices, five milliseconds at most; latencies: milliseconds each build takes."""
    made = world(FLEET, [LIKES_FP32], [BOTH], requirements={"maxLatency": "5ms"})
    made.speeds.latency = {("cpu", variant): value / 1000 for variant, value in latencies.items()}
    return made


def chosen(of: World) -> dict[str, str | None]:
    """Profile -> builds it runs."""
    return {entry["name"]: entry.get("variant") for entry in of.status["profiles"]}


def record(of: World, variant: str = "fp32", profile: str = "cpu") -> dict[str, Any] | None:
    entry = next(entry for entry in of.status["profiles"] if entry["name"] == profile)
    return next((one for one in entry.get("measured", []) if one["variant"] == variant), None)


def test_a_build_that_nobody_has_measured_is_tried() -> None:
    made = fleet()
    made.settle()
    assert chosen(made) == {"cpu": "digits/fp32"}


def test_a_build_that_is_fast_enough_stays_and_its_figures_are_shown() -> None:
    made = fleet(fp32=2.5, fp16=1)
    made.settle()
    assert chosen(made) == {"cpu": "digits/fp32"}
    assert record(made) == {
        "model": "digits", "variant": "fp32", "sha256": sha("fp32")[:12],
        "latency": "2.5ms", "fastest": "2.5ms", "throughput": "400", "devices": 5,
    }  # fmt: skip


def test_a_build_that_is_too_slow_gives_way_to_the_next_one_and_does_not_come_back() -> None:
    made = fleet(fp32=9, fp16=3)
    made.settle()
    assert chosen(made) == {"cpu": "digits/fp16"}
    assert {"fp32", "fp16"} == {one["variant"] for one in made.status["profiles"][0]["measured"]}
    assert made.ready == ("True", "Serving")
    assert made.settle() == 0


def test_the_figure_is_named_where_no_build_is_fast_enough_and_what_serves_goes_on() -> None:
    made = fleet(fp32=9, fp16=8)
    made.settle()
    assert made.ready == ("False", "NoFittingBuild")
    assert (
        "digits/fp32: takes 9ms on such devices, requirements.maxLatency is 5ms" in made.status["profiles"][0]["reason"]
    )
    assert len(made.served()) == 5


def test_a_slower_profile_takes_over_where_the_better_one_is_too_slow() -> None:
    better = profile("cpu", ONNX_FP32, priority=9)
    other = profile("any", ONNX_FP16, nodeSelectorTerms=better.wire()["spec"]["nodeSelectorTerms"])
    made = world(FLEET, [better, other], [BOTH], requirements={"maxLatency": "5ms"})
    made.speeds.latency = {("cpu", "fp32"): 0.009, ("any", "fp16"): 0.002}
    made.settle()
    assert chosen(made) == {"any": "digits/fp16", "cpu": None}
    assert record(made, profile="cpu") is not None


def test_a_restarted_operator_decides_the_same_before_any_device_has_spoken() -> None:
    made = fleet(fp32=9, fp16=3)
    made.settle()
    plan = made.plan
    made.reports.clear()
    made.reconcile()
    assert made.plan == plan


def test_a_new_file_starts_unmeasured() -> None:
    made = fleet(fp32=9, fp16=3)
    made.settle()
    newer = model("digits", build("fp32", source={"sha256": sha("better")}), build("fp16", ONNX_FP16), version="2.0.0")
    made.speeds.latency["cpu", "fp32"] = 0.001
    made.release(newer)
    made.settle()
    assert chosen(made) == {"cpu": "digits/fp32"}


def test_a_limit_that_is_raised_lets_the_better_liked_build_in_again() -> None:
    made = fleet(fp32=9, fp16=3)
    made.settle()
    made.edit(requirements={"maxLatency": "10ms"})
    made.settle()
    assert chosen(made) == {"cpu": "digits/fp32"}


def test_what_a_device_could_do_counts_not_how_it_was_told_to_run() -> None:
    """With a looser limit it may have chosen fewer threads."""
    made = fleet(fp32=9)
    made.speeds.fastest = {("cpu", "fp32"): 0.004}
    made.settle()
    assert chosen(made) == {"cpu": "digits/fp32"}


@pytest.mark.parametrize(
    ("spoken", "counts"),
    [
        pytest.param(["pi-1", "pi-2"], False, id="two of five do not speak for all"),
        pytest.param(["pi-1", "pi-2", "pi-3"], True, id="three are enough"),
    ],
)
def test_a_few_devices_do_not_sway_a_fleet(spoken: list[str], counts: bool) -> None:
    made = fleet(fp32=9, fp16=3)
    made.speeds.silent = {one.name for one in FLEET} - set(spoken)
    made.settle()
    assert (record(made) is not None) is counts
    assert chosen(made) == {"cpu": "digits/fp16" if counts else "digits/fp32"}


def test_what_two_of_five_have_said_does_not_become_the_word_of_all_when_none_can_be_reached() -> None:
    made = fleet(fp32=9, fp16=3)
    made.speeds.silent = {one.name for one in FLEET} - {"pi-1", "pi-2"}
    made.settle()
    made.cut(*(one.name for one in FLEET))
    made.reconcile()
    assert record(made) is None


def test_one_slow_device_is_outvoted() -> None:
    made = fleet(fp32=2)
    made.speeds.factor = {"pi-3": 20.0}
    made.settle()
    assert chosen(made) == {"cpu": "digits/fp32"}


def test_a_profile_with_one_device_needs_no_quorum() -> None:
    made = settled([node()], [LIKES_FP32], [BOTH], requirements={"maxLatency": "5ms"})
    made.speeds.latency = {("cpu", "fp32"): 0.009, ("cpu", "fp16"): 0.003}
    made.settle()
    assert chosen(made) == {"cpu": "digits/fp16"}


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(4.2, 5.4), min_size=1, max_size=5))
def test_a_build_is_not_judged_anew_for_a_few_percent(later: list[float]) -> None:
    """Whatever devices near the limit say from one start to the next, the first judgement stands."""
    made = fleet(fp32=4.8, fp16=1)
    made.settle()
    for milliseconds in later:
        made.speeds.latency["cpu", "fp32"] = milliseconds / 1000
        made.settle()
        assert chosen(made) == {"cpu": "digits/fp32"}


def test_a_device_that_is_clearly_slower_now_is_believed() -> None:
    made = fleet(fp32=4.8, fp16=1)
    made.settle()
    made.speeds.latency["cpu", "fp32"] = 0.007
    made.settle()
    assert chosen(made) == {"cpu": "digits/fp16"}


def test_records_of_files_that_nobody_wants_are_forgotten() -> None:
    made = fleet(fp32=2, fp16=1)
    made.settle()
    whole = made.deployment.model_dump(mode="json", by_alias=True, exclude_none=True)
    stale = {**whole["status"]["profiles"][0]["measured"][0], "sha256": "f" * 12, "variant": "gone"}
    whole["status"]["profiles"][0]["measured"].append(stale)
    made.deployment = EdgeDeployment.model_validate(whole)
    made.reconcile()
    assert record(made, "gone") is None


def test_latency_is_no_reason_where_none_is_asked_for() -> None:
    requirements = world(FLEET).deployment.spec.requirements
    assert fit(LIKES_FP32, {"digits": BOTH.spec}, requirements, lambda _: 99.0).fits


def test_an_unknown_profile_has_no_latencies() -> None:
    assert measured.latency_of({}, "nowhere")(sha("fp32")) is None
