"""Targets that are EdgeDeployments: where they are reached, and what stands against asking them."""

from __future__ import annotations

from typing import Any

import pytest

from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.names import Reason
from edgewise.core import peers
from edgewise.core.deployment import decide
from tests.unit.core.builders import NOW, deployment, node, observed
from tests.unit.core.fleets import settled

TOKEN = {"tokenSecretRef": {"name": "big-tokens"}}
CERTIFICATE = {"certificateSecretRef": {"name": "big-tls"}}
CLIENT_CA = {**CERTIFICATE, "clientCASecretRef": {"name": "big-clients", "key": "ca.crt"}}
OWN_TOKEN = {"credentialsSecretRef": {"name": "my-token"}}
OWN_CERTIFICATE = {"tls": {"clientCertSecretRef": {"name": "my-certificate"}}}


def asks(*names: str, **entry: Any) -> dict[str, Any]:
    """`escalation` with these deployments as targets, each with the members of `entry`."""
    return {"targets": [{"name": f"to-{name}", "deploymentRef": {"name": name}, **entry} for name in names]}


def one(name: str, *targets: str, **spec: Any) -> EdgeDeployment:
    wishes: dict[str, Any] = {"escalation": asks(*targets)} if targets else {}
    return deployment(name=name, **wishes, **spec)


def guarded(**auth: Any) -> EdgeDeployment:
    return one("big", serving={"auth": auth})


ADDRESSES: dict[str, tuple[dict[str, Any], EdgeDeployment, str]] = {
    "an open one": (asks("big"), one("big"), "http://big.edge.svc:8000"),
    "one with a certificate": (asks("big"), guarded(**CERTIFICATE), "https://big.edge.svc:8000"),
    "one that demands a token, which is brought along": (
        asks("big", **OWN_TOKEN),
        guarded(**TOKEN, **CERTIFICATE),
        "https://big.edge.svc:8000",
    ),
    "one that demands a certificate, which is brought along": (
        asks("big", **OWN_CERTIFICATE),
        guarded(**CLIENT_CA),
        "https://big.edge.svc:8000",
    ),
    "one that asks others": (asks("big"), one("big", "bigger"), "http://big.edge.svc:8000"),
}


@pytest.mark.parametrize(("escalation", "peer", "url"), ADDRESSES.values(), ids=ADDRESSES)
def test_an_address(escalation: dict[str, Any], peer: EdgeDeployment, url: str) -> None:
    others = {"big": peer, "bigger": one("bigger")}
    assert peers.resolved(deployment(escalation=escalation), others) == peers.Resolved({"to-big": url})


PROBLEMS: dict[str, tuple[dict[str, Any], list[EdgeDeployment], str, str]] = {
    "nobody of that name": (
        asks("big"),
        [one("bog")],
        Reason.TARGET_NOT_FOUND,
        "escalation target to-big: namespace edge has no readable EdgeDeployment big (others there: bog); "
        "create it, or correct deploymentRef",
    ),
    "one that asks back": (asks("big"), [one("big", "digits")], Reason.TARGET_CYCLE, "(digits -> big -> digits)"),
    "a longer way round": (
        asks("a"),
        [one("a", "x", "b"), one("b", "c"), one("c", "digits"), one("x")],
        Reason.TARGET_CYCLE,
        "(digits -> a -> b -> c -> digits); take the deploymentRef of one of these away",
    ),
    "a token is demanded": (
        asks("big"),
        [guarded(**TOKEN)],
        Reason.TARGET_GUARDED,
        "key token in credentialsSecretRef",
    ),
    "a certificate is demanded": (
        asks("big", tls={"caSecretRef": {"name": "ca", "key": "ca.crt"}}),
        [guarded(**CLIENT_CA)],
        Reason.TARGET_GUARDED,
        "tls.crt and tls.key in tls.clientCertSecretRef",
    ),
    "a token, over plain text": (
        asks("big", **OWN_TOKEN),
        [guarded(**TOKEN)],
        Reason.TARGET_GUARDED,
        "credentials go over TLS only, and EdgeDeployment big speaks plain HTTP",
    ),
    "both are": (asks("big"), [guarded(**TOKEN, **CLIENT_CA)], Reason.TARGET_GUARDED, "a token: name a Secret"),
}


@pytest.mark.parametrize(("escalation", "others", "reason", "says"), PROBLEMS.values(), ids=PROBLEMS)
def test_a_problem(escalation: dict[str, Any], others: list[EdgeDeployment], reason: str, says: str) -> None:
    found = peers.resolved(deployment(escalation=escalation), {peer.metadata.name: peer for peer in others})
    (problem,) = found.problems.values()
    assert (found.addresses, problem.reason) == ({}, reason)
    assert says in problem.message


def test_others_that_go_round_among_themselves_are_no_problem_of_ours() -> None:
    others = {"a": one("a", "b"), "b": one("b", "a")}
    assert peers.resolved(deployment(escalation=asks("a")), others).problems == {}


def test_where_nothing_may_leave_nobody_is_looked_for() -> None:
    escalation = {**asks("big"), "privacy": "Never"}
    assert peers.named(deployment(escalation=escalation)) == []
    assert peers.resolved(deployment(escalation=escalation), {}) == peers.Resolved()


def test_a_deployment_serves_on_without_a_target_that_cannot_be_asked_and_says_so() -> None:
    cloud = {"name": "cloud", "url": "http://triton.cloud.svc:8000"}
    escalation = {"targets": [*asks("big")["targets"], cloud]}
    plan = decide(observed(deployment(escalation=escalation)), NOW)
    made = {child["kind"] for child in plan.apply}
    assert {"DaemonSet", "ConfigMap", "Service"} <= made
    ready = plan.status["conditions"][0] if plan.status else {}
    assert (ready["status"], ready["reason"]) == ("False", Reason.TARGET_NOT_FOUND)
    assert ready["message"].endswith("Devices serve on, and ask the others")
    assert [event.type for event in plan.events] == ["Warning"]


def test_the_plan_names_the_targets_that_can_be_asked_in_their_order() -> None:
    cloud = {"name": "cloud", "url": "http://triton.cloud.svc:8000"}
    made = settled([node()], escalation={"targets": [*asks("gone")["targets"], cloud]})
    assert made.plan is not None
    assert made.plan.escalation is not None
    assert [target.url for target in made.plan.escalation.targets] == ["http://triton.cloud.svc:8000"]
