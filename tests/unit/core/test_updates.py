"""A new version, a pin, a model that goes away: which release devices serve then."""

from __future__ import annotations

from tests.unit.core.builders import (
    ONNX_FP16,
    build,
    model,
    released,
)
from tests.unit.core.fleets import CPU, JETSON, PI, V1, V2, A, B, nodes, settled


def test_a_model_update_reaches_every_device_and_restarts_no_pod() -> None:
    made = settled(PI)
    pods = dict(made.pods)
    made.release(V2)
    made.settle()
    assert set(made.served().values()) == {B}
    assert made.pods == pods
    assert made.ready == ("True", "Serving")
    assert made.status["release"] == {"stable": B, "target": B, "previous": A}


def test_a_model_update_is_one_new_plan_and_its_promotion_another() -> None:
    made = settled(PI)
    first = made.status["plan"]["sequence"]
    made.release(V2)
    made.reconcile()
    assert made.ready == ("False", "RollingOut")
    assert made.plan is not None
    assert (made.plan.sequence, made.plan.stable, made.plan.target) == (first + 1, A, B)
    assert [one.name for one in made.plan.releases] == [B, A]
    made.reconcile()
    assert made.plan.sequence == first + 1
    made.settle()
    assert (made.plan.sequence, made.plan.stable) == (first + 2, B)
    assert [one.name for one in made.plan.releases] == [B]


def test_devices_that_are_behind_get_a_poke() -> None:
    made = settled(PI)
    made.cut("pi-5")
    made.release(V2)
    plan = made.reconcile()
    assert [poke.pod for poke in plan.pokes if poke.insist] == [f"digits-cpu-pi-{i}" for i in range(1, 5)]


def test_offline_devices_do_not_hold_a_rollout_up_and_stay_in_the_goal() -> None:
    made = settled(PI)
    made.cut("pi-4", "pi-5")
    made.release(V2)
    made.settle()
    assert made.ready == ("True", "Serving")
    assert nodes(made) == {"matched": 5, "ready": 3, "updated": 3, "offline": 2}
    made.heal("pi-4", "pi-5")
    made.settle()
    assert set(made.served().values()) == {B}
    assert nodes(made) == {"matched": 5, "ready": 5, "updated": 5}


def test_a_device_that_fails_stalls_the_rollout_and_the_old_release_stays_in_the_plan() -> None:
    made = settled(PI)
    made.broken = {("pi-2", B)}
    made.release(V2)
    made.settle()
    assert made.ready == ("False", "LoadFailed")
    assert made.served()["pi-2"] == A
    assert nodes(made)["failed"] == 1
    assert made.plan is not None
    assert [(one.name, [made.name for made in one.models]) for one in made.plan.releases] == [
        (B, ["digits"]), (A, ["digits"]),
    ]  # fmt: skip
    assert made.plan.profiles["cpu"].variants == {A: {"digits": "fp32"}, B: {"digits": "fp32"}}


def test_a_fixed_version_takes_over_from_one_that_failed_and_stable_is_what_was_promoted() -> None:
    made = settled(PI)
    made.broken = {("pi-2", B)}
    made.release(V2)
    made.settle()
    fixed = model(version="2.0.1")
    made.release(fixed)
    made.reconcile()
    assert made.status["release"] == {"stable": A, "target": released(fixed).name}
    made.settle()
    assert made.ready == ("True", "Serving")
    assert made.status["release"]["previous"] == A


def test_after_promotion_one_failing_device_in_five_leaves_ready_alone() -> None:
    made = settled(PI)
    made.serving.pop("digits-cpu-pi-2")
    made.broken = {("pi-2", A)}
    made.settle()
    assert made.ready == ("True", "Serving")
    assert nodes(made) == {"matched": 5, "ready": 4, "updated": 4, "failed": 1}


def test_moved_sources_are_a_new_plan_and_no_new_release() -> None:
    made = settled(PI)
    children = set(made.children)
    made.release(model("digits", build(source={"uri": "oci://mirror.example/digits:1"})))
    made.settle()
    assert made.plan is not None
    assert made.plan.releases[0].models[0].builds[0].source.uri == "oci://mirror.example/digits:1"
    assert set(made.children) == children
    assert made.status["release"] == {"stable": A, "target": A}


def test_a_new_profile_nobody_belongs_to_is_no_new_plan() -> None:
    made = settled(PI, [CPU], [model("digits", build(), build("fp16", ONNX_FP16))])
    before = made.plan
    made.profiles.append(JETSON)
    made.settle()
    assert made.plan == before


def test_a_deleted_plan_comes_back_under_a_number_no_device_has_seen() -> None:
    made = settled(PI)
    seen = made.status["plan"]["sequence"]
    del made.children["ConfigMap", "digits-plan"]
    made.settle()
    assert made.plan is not None
    assert made.plan.sequence == made.status["plan"]["sequence"] > seen
    assert (made.plan.stable, made.ready) == (A, ("True", "Serving"))


def test_two_models_are_served_side_by_side() -> None:
    both = [model("digits"), model("text", build("big"))]
    made = settled(PI, [CPU], both)
    assert made.status["profiles"][0]["variant"] == "digits/fp32, text/big"
    assert set(made.served().values()) == {released(*both).name}


def test_a_pin_goes_back_and_its_removal_goes_forth() -> None:
    made = settled(PI)
    made.release(V2)
    made.settle()
    made.edit(release=A)
    made.settle()
    assert set(made.served().values()) == {A}
    made.edit(release="")
    made.settle()
    assert set(made.served().values()) == {B}


def test_a_deleted_model_is_served_on_from_its_snapshot() -> None:
    made = settled(PI)
    before, children = made.plan, dict(made.children)
    made.models.clear()
    made.settle()
    assert made.ready == ("False", "ModelGone")
    assert (made.plan, made.children) == (before, children)
    assert set(made.served().values()) == {A}
    made.release(V1)
    made.settle()
    assert made.ready == ("True", "Serving")


def test_of_two_models_the_one_that_is_left_keeps_its_todays_attributes() -> None:
    made = settled(PI, [CPU], [model("digits"), model("text")])
    made.release(model("text", build(source={"uri": "oci://mirror.example/text:1"})))
    made.settle()
    before = made.plan
    del made.models["digits"]
    made.settle()
    assert made.ready == ("False", "ModelGone")
    assert made.plan == before
