"""Moves between profiles: nodes are held on the old one, and go to the new one when it is their turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from edgewise.core.deployment.moves import SEEN_BY_ALL
from tests.unit.core.builders import ONNX_FP16, build, model, node
from tests.unit.core.fleets import CPU, JETSON, PI, A, settled
from tests.unit.core.moving import BETTER, CRASHES, FP16, IMAGE, moved, profiles
from tests.unit.core.scheduling import admits
from tests.unit.core.world import World


def admitting(made: World) -> dict[str, list[str]]:
    """Node -> profiles whose DaemonSet has a pod there."""
    workloads = made.observed().workloads
    return {
        name: [one.profile for one in workloads if admits(one.affinity, labelled.labels)]
        for name, labelled in made.nodes.items()
    }


def steps(made: World, most: int = 60) -> int:
    """Looks until nobody is held any more, each device somewhere at each of them; how many moved at a time at most."""
    fastest, before = 0, profiles(made)
    for _ in range(most):
        made.reconcile()
        assert all(len(there) == 1 for there in admitting(made).values()), admitting(made)
        made.live()
        now = profiles(made)
        fastest, before = max(fastest, sum(now[name] != before[name] for name in now)), now
        made.now += SEEN_BY_ALL / 2
    assert not made.held
    return fastest


def better_profile(made: World) -> None:
    made.profiles.append(BETTER)


def better_build(made: World) -> None:
    made.release(FP16)


def better_label(made: World) -> None:
    for name, one in made.nodes.items():
        made.nodes[name] = replace(one, labels={**one.labels, "edgewise.dev/device": "jetson"})


@pytest.mark.parametrize(
    ("happens", "goal"), [(better_profile, "better"), (better_build, "jetson"), (better_label, "jetson")]
)
def test_whatever_makes_nodes_move_they_go_one_at_a_time(happens: Callable[[World], None], goal: str) -> None:
    device = "cpu" if happens is not better_build else "jetson"
    builds = [build()] if happens is better_build else [build(), build("fp16", ONNX_FP16)]
    made = settled([node(f"pi-{i}", device) for i in range(5)], [CPU, JETSON], [model("digits", *builds)])
    assert set(profiles(made).values()) == {"cpu"}
    happens(made)
    assert steps(made) == 1
    assert set(profiles(made).values()) == {goal}
    made.settle()
    assert made.ready == ("True", "Serving")
    assert (made.status.get("moves"), ("DaemonSet", "digits-cpu") in made.children) == (None, False)
    assert not any(key.startswith("hold.") for one in made.nodes.values() for key in one.labels)


def test_nodes_are_held_before_anything_else_happens_and_affinities_change_five_seconds_later() -> None:
    made = settled(PI)
    before = made.children["DaemonSet", "digits-cpu"]["spec"]
    made.profiles.append(BETTER)
    made.reconcile()
    made.reconcile()
    assert made.held == dict.fromkeys(made.nodes, "cpu")
    made.now += SEEN_BY_ALL - 0.1
    made.reconcile()
    assert made.children["DaemonSet", "digits-cpu"]["spec"] == before
    assert ("DaemonSet", "digits-better") not in made.children
    made.now += 0.2
    made.reconcile()
    assert ("DaemonSet", "digits-better") in made.children
    assert made.held == dict.fromkeys(made.nodes, "cpu"), "and only then the first one goes"


def test_clients_of_a_node_with_two_pods_are_sent_to_the_one_that_is_ready() -> None:
    def published() -> bool:
        return bool(made.children["Service", "digits-local"]["spec"]["publishNotReadyAddresses"])

    made = settled(PI)
    assert published()
    made.profiles.append(BETTER)
    made.reconcile()
    assert not published()
    made.settle()
    assert (published(), set(profiles(made).values())) == (True, {"better"})


def test_they_still_are_while_the_old_pod_of_the_last_one_answers_on_but_for_a_node_that_is_cut_off() -> None:
    def published() -> bool:
        made.reconcile()
        return bool(made.children["Service", "digits-local"]["spec"]["publishNotReadyAddresses"])

    made = settled(PI)
    made.profiles.append(BETTER)
    made.settle()
    (new,) = (pod for pod in made.pods.values() if pod.node == "pi-3")
    made.pods["ending"] = replace(new, name="ending", uid="ending", profile="cpu", deleting=True)
    assert not published()
    made.cut("pi-3")
    assert published()
    made.heal("pi-3")
    del made.pods["ending"]
    assert published()


def test_a_pod_whose_successor_of_the_same_profile_is_seen_before_its_end_does_not_change_the_service() -> None:
    made = settled(PI)
    before = made.children["Service", "digits-local"]
    (new,) = (pod for pod in made.pods.values() if pod.node == "pi-3")
    made.pods["ending"] = replace(new, name="ending", uid="ending", deleting=True)
    made.reconcile()
    assert made.children["Service", "digits-local"] == before
    assert before["spec"]["publishNotReadyAddresses"]


def test_a_better_profiles_label_and_the_hold_come_with_one_write() -> None:
    made = settled(PI)
    made.profiles.append(BETTER)
    made.asked = {}
    plan = made.reconcile()
    assert plan.hold == dict.fromkeys(made.nodes, "cpu")


def test_an_offline_node_stays_held_until_it_is_back() -> None:
    made = settled(PI)
    made.cut("pi-3")
    made.profiles.append(BETTER)
    made.settle()
    assert made.held == {"pi-3": "cpu"}
    assert profiles(made) == {**dict.fromkeys(made.nodes, "better"), "pi-3": "cpu"}
    assert ("DaemonSet", "digits-cpu") in made.children, "a node is held on it"
    assert made.ready == ("True", "Serving")
    made.heal("pi-3")
    made.settle()
    assert (made.held, set(profiles(made).values())) == ({}, {"better"})


def test_the_first_goes_alone_and_the_others_follow_as_many_at_a_time_as_may_be_away() -> None:
    made = settled([node(f"pi-{i}") for i in range(9)], rollout={"maxUnavailable": "50%"})
    made.profiles.append(BETTER)
    seen = []
    for _ in range(20):
        made.reconcile()
        made.live()
        seen.append(sum(profile == "better" for profile in profiles(made).values()))
        made.now += SEEN_BY_ALL
    assert sorted(set(seen)) == [0, 1, 5, 9]


def test_nobody_goes_while_the_rollout_is_paused() -> None:
    made = settled(PI, rollout={"paused": True})
    made.profiles.append(BETTER)
    made.settle()
    assert (set(made.held.values()), set(profiles(made).values())) == ({"cpu"}, {"cpu"})
    made.edit(rollout={})
    made.settle()
    assert set(profiles(made).values()) == {"better"}


def test_a_device_that_does_not_serve_from_its_new_profile_goes_back_and_nobody_follows() -> None:
    made = settled(PI)
    made.spoilt |= CRASHES
    made.profiles.append(BETTER)
    made.settle()
    assert set(profiles(made).values()) == {"cpu"}
    assert set(made.served().values()) == {A}
    assert made.ready == ("False", "MoveFailed")
    (move,) = made.status["moves"]
    assert (move["from"], move["to"], move["nodes"], move["moved"]) == ("cpu", "better", 5, 0)
    assert "CrashLoopBackOff: exit code 1" in move["refused"]
    again = made.now + 3600
    made.spoilt.clear()
    made.now = again
    made.settle()
    assert set(profiles(made).values()) == {"cpu"}, "no ping-pong"


def test_a_refused_move_goes_on_when_a_person_says_so() -> None:
    made = settled(PI)
    made.spoilt |= CRASHES
    made.profiles.append(BETTER)
    made.settle()
    made.spoilt.clear()
    made.edit(rollout={"retry": "better"})
    made.settle()
    assert set(profiles(made).values()) == {"better"}
    assert made.ready == ("True", "Serving")


def test_or_when_the_pods_of_the_new_profile_are_other_ones() -> None:
    made = settled(PI)
    made.spoilt |= CRASHES
    made.profiles.append(BETTER)
    made.settle()
    made.spoilt.clear()
    spec = BETTER.spec.model_copy(update={"runtime": BETTER.spec.runtime.model_copy(update={"image": "edge/cpu:9"})})
    made.profiles[-1] = BETTER.model_copy(update={"spec": spec})
    made.settle()
    assert set(profiles(made).values()) == {"better"}


def test_a_hold_that_lost_its_point_is_taken_away_and_nothing_moves() -> None:
    made = settled(PI, rollout={"paused": True})
    pods = dict(made.pods)
    made.profiles.append(BETTER)
    made.settle()
    assert set(made.held.values()) == {"cpu"}
    made.profiles.pop()
    made.settle()
    assert (made.held, made.pods) == ({}, pods)
    assert made.ready == ("True", "Serving")


def test_an_image_that_a_node_lacks_is_brought_there_before_it_goes() -> None:
    made = settled(PI)
    made.missing = {(name, IMAGE): "no such image" for name in made.nodes}
    made.profiles.append(BETTER)
    made.settle()
    assert set(profiles(made).values()) == {"cpu"}
    assert made.ready == ("True", "ImageNotPulled")
    made.missing = {}
    made.settle()
    assert moved(made) == 5
