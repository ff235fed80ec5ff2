"""Pods of an older template: how many are replaced at a time, and what replaces none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgewise.core.children import podinputs
from edgewise.core.children.pods import RUNTIME_MEMORY
from edgewise.core.release import canonical
from tests.unit.core.builders import (
    SETTINGS,
    build,
    model,
    node,
)
from tests.unit.core.fleets import CPU, PI, settled
from tests.unit.core.world import World

FLEET = [node(f"pi-{i:02}") for i in range(30)]


def test_a_changed_template_replaces_as_many_pods_at_a_time_as_max_unavailable_says() -> None:
    made = settled(FLEET)
    made.edit(serving={"image": "registry.local/cpu:2"})
    first = made.reconcile()
    assert first.delete == ()
    assert made.ready == ("True", "Serving")
    assert [one["type"] for one in made.status["conditions"]] == ["Ready", "Reconciling"]
    replaced: set[str] = set()
    while (due := made.reconcile()).delete:
        assert len(due.delete) <= 3
        replaced |= {ref.name for ref in due.delete}
        made.live()
    assert len(replaced) == 30
    assert [one["type"] for one in made.status["conditions"]] == ["Ready"]


def test_a_look_works_out_a_templates_hash_once_however_many_pods_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: dict[int, int] = {}
    for size in (3, 30):
        made, calls = settled(FLEET[:size]), list[object]()
        monkeypatch.setattr(podinputs, "canonical", lambda one, calls=calls: calls.append(one) or canonical(one))
        made.reconcile()
        counted[size] = len(calls)
    assert counted[30] == counted[3]


def test_pods_on_offline_nodes_are_not_replaced_and_hold_nothing_up() -> None:
    made = settled(PI)
    made.cut("pi-1", "pi-2")
    made.edit(serving={"image": "registry.local/cpu:2"})
    before = dict(made.pods)
    made.settle()
    assert [name for name, one in made.pods.items() if one.template == before[name].template] == [
        "digits-cpu-pi-1", "digits-cpu-pi-2",
    ]  # fmt: skip
    assert made.ready == ("True", "Serving")
    made.heal("pi-1", "pi-2")
    made.settle()
    assert len({one.template for one in made.pods.values()}) == 1


def test_the_next_pod_waits_until_the_last_one_serves() -> None:
    made = settled(PI)
    made.edit(serving={"image": "registry.local/cpu:2"})
    made.reconcile()
    made.live()
    (gone,) = made.reconcile().delete
    assert made.reconcile().delete == ()
    made.live()
    (following,) = made.reconcile().delete
    assert following.name != gone.name


def test_a_pod_on_its_way_out_is_not_deleted_again_and_keeps_the_deployment_at_work() -> None:
    made = settled([node("pi-0")])
    made.edit(serving={"image": "registry.local/cpu:2"})
    made.reconcile()
    made.live()
    before = dict(made.pods)
    (gone,) = made.reconcile().delete
    made.pods[gone.name] = replace(before[gone.name], deleting=True)
    assert made.reconcile().delete == ()
    assert [one["type"] for one in made.status["conditions"]] == ["Ready", "Reconciling"]


def test_pods_that_do_not_serve_anyhow_are_replaced_at_once() -> None:
    made = settled(PI)
    made.edit(serving={"image": "registry.local/cpu:broken"})
    made.reconcile()
    made.pods |= {name: replace(one, ready=False) for name, one in list(made.pods.items())[:3]}
    assert len(made.reconcile().delete) == 3


def test_a_pause_holds_pods_back_too() -> None:
    made = settled(PI)
    made.edit(serving={"image": "registry.local/cpu:2"}, rollout={"paused": True})
    pods = dict(made.pods)
    made.settle()
    assert made.pods == pods
    (ready,) = made.status["conditions"]
    assert ready["message"].endswith("; of an older pod template, which waits for spec.rollout.paused: 5")


def test_upgrading_the_operator_replaces_no_pod() -> None:
    made = settled(PI)
    made.settings = replace(SETTINGS, default_images={"cpu": "ghcr.io/edgewise/cpu:9.9.9"})
    for child in made.children.values():  # as an older version would have rendered it
        child["metadata"]["labels"]["app.kubernetes.io/version"] = "0.0.1"
    pods = dict(made.pods)
    made.settle()
    assert made.pods == pods


def test_an_image_the_administrator_chooses_reaches_every_pod() -> None:
    made = settled(PI)
    made.settings = replace(SETTINGS, images={"cpu": "registry.local/cpu:2"})
    made.settle(rounds=20)
    (container,) = made.children["DaemonSet", "digits-cpu"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.local/cpu:2"
    assert len({one.template for one in made.pods.values()}) == 1


def test_taking_back_ones_own_image_goes_back_to_the_default() -> None:
    made = settled(PI, serving={"image": "registry.local/cpu:2"})
    made.edit(serving={})
    made.settle(rounds=20)
    assert made.status["images"] == {"cpu": "ghcr.io/edgewise/cpu:0.1.0"}


@pytest.mark.parametrize(
    ("first", "second", "restarts"),
    [
        pytest.param(build(), build(memory="41Mi"), True, id="more memory"),
        pytest.param(build(memory="80Mi"), build(memory="40Mi"), False, id="less memory"),
        pytest.param(build(), build(source={"secretRef": {"name": "registry"}}), True, id="a Secret more"),
        pytest.param(build(source={"secretRef": {"name": "registry"}}), build(), False, id="a Secret less"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("serving", [{}, {"auth": {"tokenSecretRef": {"name": "clients"}}}], ids=["open", "guarded"])
def test_a_model_update_replaces_pods_only_for_what_they_lack(
    first: dict[str, Any], second: dict[str, Any], restarts: bool, serving: dict[str, Any]
) -> None:
    made = settled(PI, [CPU], [model("digits", first)], serving=serving)
    before = {name: one.template for name, one in made.pods.items()}
    made.release(model("digits", second, version="2.0.0"))
    made.settle(rounds=20)
    assert made.ready == ("True", "Serving")
    assert ({name: one.template for name, one in made.pods.items()} != before) is restarts


def memory(made: World) -> int:
    """Bytes that a new pod asks its node for, beyond what the runtime needs by itself."""
    (container,) = made.children["DaemonSet", "digits-cpu"]["spec"]["template"]["spec"]["containers"]
    return int(container["resources"]["requests"]["memory"]) - RUNTIME_MEMORY


def test_a_pod_whose_old_model_goes_first_asks_for_the_memory_of_one() -> None:
    digits = [model("digits", build(memory="40Mi"))]
    beside, in_place = settled(PI, [CPU], digits), settled(PI, [CPU], digits, serving={"switch": "InPlace"})
    assert (memory(beside), memory(in_place)) == (80 * 2**20, 40 * 2**20)


def test_pods_are_replaced_for_the_room_of_two_models_and_never_for_that_of_one() -> None:
    made = settled(PI, [CPU], [model("digits", build(memory="40Mi"))])
    roomy = dict(made.pods)
    made.edit(serving={"switch": "InPlace"})
    made.settle(rounds=20)
    assert (made.pods, memory(made)) == (roomy, 80 * 2**20)
    made = settled(PI, [CPU], [model("digits", build(memory="40Mi"))], serving={"switch": "InPlace"})
    tight = {name: one.template for name, one in made.pods.items()}
    made.edit(serving={"switch": "Beside"})
    made.settle(rounds=20)
    assert memory(made) == 80 * 2**20
    assert all(one.template != tight[name] for name, one in made.pods.items())


def test_a_memory_request_of_ones_own_covers_bigger_models() -> None:
    own = {"resources": {"requests": {"memory": "1Gi"}}}
    made = settled(PI, [CPU], [model("digits", build())], serving=own)
    pods = dict(made.pods)
    made.release(model("digits", build(memory="300Mi"), version="2.0.0"))
    made.settle()
    assert made.pods == pods
