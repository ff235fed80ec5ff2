from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from edgewise.api.base import Toleration
from edgewise.api.deviceprofile import DeviceProfile
from edgewise.api.edgedeployment import Placement
from edgewise.core.matching import belongs
from edgewise.core.observed import Node
from edgewise.core.placement import Offer, affinity, order, place, share, tolerated
from tests.unit.core.builders import GIB, anywhere, node, profile, taint
from tests.unit.core.scheduling import admits

ANYWHERE = Placement()
CPU = anywhere("cpu")
CORAL = profile("coral", priority=500)
JETSON = profile("jetson", priority=900)


def tolerations(*written: dict[str, str]) -> list[Toleration]:
    return [Toleration.model_validate(one) for one in written]


@pytest.mark.parametrize(
    ("one", "written", "expected"),
    [
        pytest.param(taint(), [], False, id="nothing tolerates nothing"),
        pytest.param(taint(), [{"operator": "Exists"}], True, id="Exists without a key tolerates all"),
        pytest.param(taint(), [{"key": "dedicated", "operator": "Exists"}], True, id="Exists takes any value"),
        pytest.param(taint(), [{"key": "dedicated", "value": "gpu"}], True, id="Equal is the default"),
        pytest.param(taint(), [{"key": "dedicated", "value": "tpu"}], False, id="another value"),
        pytest.param(taint(), [{"key": "other", "operator": "Exists"}], False, id="another key"),
        pytest.param(taint(value=""), [{"key": "dedicated"}], True, id="no value is the empty value"),
        pytest.param(
            taint(), [{"key": "dedicated", "operator": "Exists", "effect": "NoExecute"}], False, id="another effect"
        ),
        pytest.param(taint(effect="PreferNoSchedule"), [], True, id="a preference is not a refusal"),
        pytest.param(
            taint("node.kubernetes.io/unreachable", "", "NoExecute"), [], True, id="an offline device is still ours"
        ),
        pytest.param(taint("node.kubernetes.io/unschedulable", ""), [], True, id="DaemonSets go on cordoned nodes"),
    ],
)
def test_a_toleration_means_what_it_means_to_the_scheduler(
    one: dict[str, str], written: list[dict[str, str]], expected: bool
) -> None:
    assert tolerated([one], tolerations(*written)) is expected


def test_every_taint_must_be_tolerated() -> None:
    gpu = tolerations({"key": "dedicated", "operator": "Exists"})
    assert not tolerated([taint(), taint("site", "north")], gpu)


def test_the_profile_of_higher_priority_wins_a_node_of_both() -> None:
    placed = place([node("box", "jetson")], [Offer(CPU), Offer(JETSON)], ANYWHERE)
    assert placed.nodes == {"box": "jetson"}
    assert placed.matching == {"cpu": 1, "jetson": 1}


def test_nodes_of_one_kind_are_matched_once_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    judged = list[str]()

    def counting(profile: DeviceProfile, labels: Mapping[str, str]) -> bool:
        judged.append(labels["kubernetes.io/hostname"])
        return belongs(profile, labels)

    monkeypatch.setattr("edgewise.core.placement.belongs", counting)
    kinds = ("jetson", "coral", "unknown")
    fleet = [node(f"box-{i}", kinds[i % 3], kubernetes_io__hostname=f"box-{i}") for i in range(30)]
    placed = place(fleet, [Offer(CORAL), Offer(JETSON)], ANYWHERE)
    assert set(judged) == {"box-0", "box-1", "box-2"}
    assert {name: placed.nodes.get(name) for name in ("box-3", "box-4", "box-5")} == {
        "box-3": "jetson",
        "box-4": "coral",
        "box-5": None,
    }


def test_a_model_without_a_coral_build_lands_on_the_same_nodes_cpu() -> None:
    placed = place([node("box", "coral")], [Offer(CPU), Offer(CORAL, "digits/fp32: no")], ANYWHERE)
    assert placed.nodes == {"box": "cpu"}
    assert placed.unplaced == {}


def test_what_runs_the_target_goes_before_what_only_keeps_the_stable_release() -> None:
    offers = [Offer(CPU), Offer(JETSON, refusal="no build", keeps="1.0.0-abc"), Offer(CORAL, refusal="no build")]
    assert [offer.name for offer in order(offers)] == ["cpu", "jetson"]
    assert place([node("box", "jetson")], offers, ANYWHERE).nodes == {"box": "cpu"}


def test_a_node_the_target_has_nothing_for_keeps_the_stable_release_and_counts_as_unplaced() -> None:
    placed = place([node("box", "jetson")], [Offer(JETSON, "no FP16 build", keeps="1.0.0-abc")], ANYWHERE)
    assert placed.nodes == {}
    assert placed.kept == {"box": "jetson"}
    assert placed.unplaced == {"box": "NoBuildInTarget: jetson: no FP16 build; keeps serving 1.0.0-abc"}
    assert placed.hosting == {"jetson"}


def test_a_node_too_small_for_the_target_keeps_the_stable_release() -> None:
    small = node("small", "jetson", memory=GIB)
    placed = place([small, node("big", "jetson")], [Offer(JETSON, memory=2 * GIB, keeps="1.0.0-abc")], ANYWHERE)
    assert placed.nodes == {"big": "jetson"}
    assert placed.kept == {"small": "jetson"}
    assert placed.unplaced == {
        "small": "InsufficientMemory: the pod of jetson needs 2Gi, the node has 1Gi; keeps serving 1.0.0-abc"
    }


@pytest.mark.parametrize(("needed", "fits"), [(GIB, True), (GIB + 1, False)])
def test_a_pod_may_take_all_the_memory_a_node_has_and_no_more(needed: int, fits: bool) -> None:
    placed = place([node("box", memory=GIB)], [Offer(CPU, memory=needed)], ANYWHERE)
    assert ("box" in placed.nodes) is fits
    assert ("box" in placed.unplaced) is not fits


def test_a_node_of_unknown_memory_is_not_refused() -> None:
    assert place([node("box", "cpu", memory=0)], [Offer(CPU, memory=GIB)], ANYWHERE).nodes == {"box": "cpu"}


@pytest.mark.parametrize(
    ("offers", "why"),
    [
        pytest.param([], "NoMatchingProfile: no DeviceProfile matches its labels", id="no profile"),
        pytest.param([Offer(JETSON)], "NoMatchingProfile: no DeviceProfile matches its labels", id="other profiles"),
        pytest.param(
            [Offer(CPU, "no build"), Offer(CORAL, "not among placement.profiles")],
            "NoFittingBuild: coral: not among placement.profiles; cpu: no build",
            id="no build, best profile first",
        ),
        pytest.param(
            [Offer(CPU, memory=8 * GIB)],
            "InsufficientMemory: the pod of cpu needs 8Gi, the node has 4Gi",
            id="too little memory",
        ),
    ],
)  # fmt: skip
def test_an_unplaced_node_says_why(offers: list[Offer], why: str) -> None:
    placed = place([node("box", "coral")], offers, ANYWHERE)
    assert placed.nodes == placed.kept == {}
    assert placed.unplaced == {"box": why}


def test_only_nodes_with_all_labels_of_the_selector_count() -> None:
    nodes = [node("a", site="lab", rack="1"), node("b", site="lab"), node("c", rack="1")]
    asked = Placement.model_validate({"nodeSelector": {"site": "lab", "rack": "1"}})
    placed = place(nodes, [Offer(CPU)], asked)
    assert placed.nodes == {"a": "cpu"}
    assert placed.unplaced == {}


def test_a_tainted_node_does_not_count_but_is_remembered() -> None:
    placed = place([node("box", taints=[taint()]), node("free")], [Offer(CPU)], ANYWHERE)
    assert placed.nodes == {"free": "cpu"}
    assert (placed.unplaced, placed.tainted) == ({}, ("box",))


def test_a_tainted_node_of_no_profile_does_not_count_either() -> None:
    placed = place([node("control-plane", "none", taints=[taint()])], [Offer(JETSON)], ANYWHERE)
    assert (placed.unplaced, placed.tainted) == ({}, ("control-plane",))


def test_the_tolerations_of_deployment_and_profile_add_up() -> None:
    tolerant = profile("cpu", pod={"tolerations": [{"key": "site", "operator": "Exists"}]})
    asked = Placement.model_validate({"tolerations": [{"key": "dedicated", "operator": "Exists"}]})
    box = node("box", taints=[taint(), taint("site", "north")])
    assert place([box], [Offer(tolerant)], asked).nodes == {"box": "cpu"}
    assert place([box], [Offer(tolerant)], ANYWHERE).nodes == {}


def test_the_tolerations_of_a_profile_that_loses_the_node_do_not_count() -> None:
    """Because its affinity keeps its pods away from there."""
    tolerant = anywhere("cpu", pod={"tolerations": [{"operator": "Exists"}]})
    placed = place([node("box", "jetson", taints=[taint()])], [Offer(tolerant), Offer(JETSON)], ANYWHERE)
    assert (placed.nodes, placed.tainted) == ({}, ("box",))


def test_a_label_that_outlives_its_match_still_places_the_node() -> None:
    unplugged = node("box", "none", profile_edgewise_dev__coral="")
    assert place([unplugged], [Offer(CORAL)], ANYWHERE).nodes == {"box": "coral"}


def labelled(one: Node, *profiles: str) -> Node:
    return replace(one, labels={**one.labels, **{f"profile.edgewise.dev/{name}": "" for name in profiles}})


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        pytest.param(["cpu"], True, id="its own label"),
        pytest.param([], False, id="no label"),
        pytest.param(["cpu", "coral"], False, id="the label of a better profile too"),
        pytest.param(["cpu", "jetson"], True, id="the label of a profile that does not matter here"),
    ],
)
def test_affinity_admits_a_node_by_its_profile_labels(labels: list[str], expected: bool) -> None:
    written = affinity("cpu", ["coral"], ANYWHERE)
    assert admits(written, labelled(node(), *labels).labels) is expected


def test_affinity_carries_the_node_selector() -> None:
    written = affinity("cpu", [], Placement.model_validate({"nodeSelector": {"site": "lab"}}))
    assert admits(written, labelled(node(site="lab"), "cpu").labels)
    assert not admits(written, labelled(node(site="shop"), "cpu").labels)


@pytest.mark.parametrize(
    ("replicas", "nodes", "expected"),
    [
        pytest.param(4, {"a": 1}, {"a": 4}, id="one profile takes all"),
        pytest.param(4, {"a": 1, "b": 3}, {"a": 1, "b": 3}, id="by the number of nodes"),
        pytest.param(1, {"a": 1, "b": 1}, {"a": 1, "b": 0}, id="ties go by name"),
        pytest.param(5, {"a": 1, "b": 1, "c": 1}, {"a": 2, "b": 2, "c": 1}, id="the remainder goes by name too"),
        pytest.param(2, {"a": 1, "b": 9}, {"a": 0, "b": 2}, id="largest remainder first"),
        pytest.param(0, {"a": 1}, {"a": 0}, id="none wanted"),
        pytest.param(3, {"a": 0}, {"a": 0}, id="nobody there"),
        pytest.param(3, {}, {}, id="no profile at all"),
    ],
)
def test_replicas_are_shared_out(replicas: int, nodes: dict[str, int], expected: dict[str, int]) -> None:
    assert share(replicas, nodes) == expected
