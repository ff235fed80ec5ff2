"""The gateway itself: whether there is one, where it goes, and why it could not answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.api.edgedeployment import Placement
from edgewise.api.gateway import Gateway
from edgewise.api.names import GATEWAY_ROLE, RUNTIME_ROLE, Reason, profile_label
from edgewise.contract.report import AccessReport
from edgewise.core.children import gateway as gateways
from edgewise.core.children.gateway import Post
from edgewise.core.deployment import decide
from edgewise.core.observed import GatewaySeen
from tests.unit.core import builders
from tests.unit.core.builders import deployment, model, node, profile
from tests.unit.core.fleets import PI, settled
from tests.unit.core.relieving import CLOUD, TARGETS, WORKLOAD, fleet, leads_to, outage
from tests.unit.core.scheduling import admits

NOT_WANTED: dict[str, dict[str, Any]] = {
    "nobody to ask": {},
    "switched off": {"escalation": {"targets": TARGETS, "gateway": {"enabled": False}}},
    "nothing may leave": {"escalation": {"targets": TARGETS, "privacy": "Never", "gateway": {"replicas": 2}}},
    "not for want of a model": {"escalation": {"targets": TARGETS, "when": {"unavailable": False}}},
}


@pytest.mark.parametrize("spec", NOT_WANTED.values(), ids=NOT_WANTED)
def test_there_is_none(spec: dict[str, Any]) -> None:
    made = settled([*PI, CLOUD], **spec)
    assert WORKLOAD not in made.children
    assert "gateway" not in made.status
    assert "servedBy" not in made.status


@pytest.mark.parametrize("spec", NOT_WANTED.values(), ids=NOT_WANTED)
def test_in_the_middle_of_an_outage_it_is_wanted_no_more(spec: dict[str, Any]) -> None:
    made = outage(fleet())
    made.edit(**{"escalation": None, **spec})
    made.settle()
    assert leads_to(made) == RUNTIME_ROLE
    assert WORKLOAD not in made.children
    assert "servedBy" not in made.status


NOWHERE: dict[str, tuple[list[Any], dict[str, Any], str]] = {
    "every node is a device": (PI, {}, "every node that would take it is a device"),
    "no node has its labels": (PI, {"nodeSelector": {"tier": "cloud"}}, "no node with the labels of"),
    "a taint that it does not bear": (
        [*PI, node("cloud", device="none", taints=[{"key": "infra", "effect": "NoSchedule"}])],
        {},
        "every node that would take it is a device",
    ),
}


@pytest.mark.parametrize(("nodes", "gateway", "why"), NOWHERE.values(), ids=NOWHERE)
def test_nowhere_to_go(nodes: list[Any], gateway: dict[str, Any], why: str) -> None:
    made = settled(nodes, escalation={"targets": TARGETS, "gateway": gateway})
    assert WORKLOAD not in made.children
    assert made.status["gateway"]["reason"].startswith(why)
    assert made.ready == ("True", Reason.SERVING)


SAID: dict[str, tuple[dict[str, Any], str]] = {
    "the API server": (
        {"refused": "exceeded quota", "pod": {"problem": "Unschedulable: too late"}},
        "the API server refuses its pods: exceeded quota",
    ),
    "the kubelet": ({"pod": {"problem": "ImagePullBackOff: cannot pull"}}, "ImagePullBackOff: cannot pull"),
    "itself, of its doors": (
        {"report": {"access": AccessReport(demands=["Token"], problem="Secret clients is missing")}},
        "Secret clients is missing",
    ),
    "itself, of its targets": (
        {"report": {"targets": {"cloud": "Secret cloud is missing"}}},
        "target cloud is not asked: Secret cloud is missing",
    ),
    "nobody": ({}, "no pod of it is ready: it starts, or none of the targets is ready"),
}


@pytest.mark.parametrize(("world", "reason"), SAID.values(), ids=SAID)
def test_why_it_could_not_answer_is_told_by(world: dict[str, Any], reason: str) -> None:
    pod = builders.pod("cloud", "", ready=False, name="digits-gateway-0", role=GATEWAY_ROLE, **world.get("pod", {}))
    told = builders.report(pod, None, "r")
    said = replace(told, report=told.report.model_copy(update=world.get("report", {})))
    there = GatewaySeen(False, True, (pod,), builders.reports(said), world.get("refused", ""))
    owner = deployment(escalation={"targets": TARGETS})
    seen = builders.observed(owner, nodes=(node(), CLOUD), gateway=there)
    assert (decide(seen, builders.NOW).status or {})["gateway"]["reason"] == reason


def test_a_gateway_that_follows_an_older_plan_is_asked_to_report() -> None:
    made = fleet()
    pod = made.gateway.pods[0]
    assert made.plan is not None
    for sequence, asked in ((made.plan.sequence - 1, [pod.name]), (made.plan.sequence, [])):
        reports = builders.reports(builders.report(pod, None, "r", sequence=sequence))
        seen = replace(made.observed(), gateway=replace(made.gateway, reports=reports))
        assert [poke.pod for poke in decide(seen, made.now).pokes] == asked


def test_without_an_image_there_is_none() -> None:
    bare = replace(builders.SETTINGS, default_images={"coral": "ghcr.io/edgewise/coral:0.1.0"})
    owner = deployment(escalation={"targets": TARGETS}, serving={"image": "registry.local/runtime:7"})
    plan = decide(builders.observed(owner, nodes=(node(), CLOUD), settings=bare), builders.NOW)
    assert WORKLOAD not in {(one["kind"], one["metadata"]["name"]) for one in plan.apply}
    assert "set runtimeImages.cpu in the chart" in (plan.status or {})["gateway"]["reason"]


def test_a_node_that_comes_is_enough() -> None:
    made = settled(PI, escalation={"targets": TARGETS})
    made.nodes["cloud"] = CLOUD
    made.settle()
    assert WORKLOAD in made.children


KEYS = ["site", "tier"]
LABELS = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(["lab", "cloud"]))


@given(
    LABELS,
    st.sets(st.sampled_from(["cpu", "coral"]), min_size=1),
    LABELS,
    LABELS,
    st.lists(st.sampled_from(["cpu", "coral"])),
)
def test_where_it_may_go_is_where_its_affinity_lets_it_go(
    selector: dict[str, str], profiles: set[str], wished: dict[str, str], labels: dict[str, str], matches: list[str]
) -> None:
    where, gateway = Placement(node_selector=selector), Gateway(node_selector=wished)
    labels = {**labels, **{profile_label(name): "" for name in matches}}
    post = Post("image", tuple(sorted(profiles)))
    owner = deployment(placement={"nodeSelector": selector})
    spec = gateways.workload(owner, gateway, post)["spec"]["template"]["spec"]
    by_selector = all(labels.get(key) == value for key, value in spec.get("nodeSelector", {}).items())
    let_in = by_selector and (bool(wished) or admits(spec["affinity"], labels))
    assert let_in is gateways.may_hold(labels, where, gateway, post.profiles)
    if not wished and profiles & set(matches) and all(labels.get(key) == value for key, value in selector.items()):
        assert not let_in, "a device"


def test_its_pods_take_the_pull_secrets_of_the_profiles_in_use() -> None:
    private = profile(pod={"imagePullSecrets": [{"name": "registry"}]})
    made = settled([*PI, CLOUD], [private], [model()], escalation={"targets": TARGETS})
    assert made.children[WORKLOAD]["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "registry"}]
