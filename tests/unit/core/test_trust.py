"""What spec.verification makes of pods and plans, and which changes of it replace a pod."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from edgewise.api.edgemodel import EdgeModel
from edgewise.cluster.projections import project
from edgewise.contract.plan import PLAN_KEY, Plan
from edgewise.core import release
from edgewise.core.children import trust
from edgewise.core.deployment import decide
from edgewise.core.observed import ObservedDeployment, Workload
from edgewise.core.outcome import Manifest
from tests.unit.core.builders import (
    NOW,
    build,
    deployment,
    model,
    observed,
    released,
    sha,
    signed,
    small_file,
    snapshot,
)

ALICE = {"name": "signers", "key": "alice.pub"}
BOB = {"secretRef": {"name": "signers", "key": "bob.pub"}}


def daemon_set(seen: ObservedDeployment) -> Manifest:
    (found,) = (child for child in decide(seen, NOW).apply if child["kind"] == "DaemonSet")
    return found


def pod(seen: ObservedDeployment) -> dict[str, Any]:
    spec: dict[str, Any] = daemon_set(seen)["spec"]["template"]["spec"]
    return spec


def environment(seen: ObservedDeployment) -> dict[str, Any]:
    return {one["name"]: one.get("value") for one in pod(seen)["containers"][0]["env"]}


def demands(seen: ObservedDeployment) -> Any:
    text = environment(seen).get(trust.VARIABLE)
    return None if text is None else json.loads(text)


def plan(seen: ObservedDeployment) -> Plan:
    (found,) = (child for child in decide(seen, NOW).apply if child["kind"] == "ConfigMap")
    return Plan.model_validate_json(found["data"][PLAN_KEY])


def template(seen: ObservedDeployment) -> str:
    annotations: dict[str, str] = daemon_set(seen)["spec"]["template"]["metadata"]["annotations"]
    return annotations["edgewise.dev/template"]


def with_models(*models: EdgeModel, **more: Any) -> ObservedDeployment:
    return observed(deployment(*(one.metadata.name for one in models)), models=list(models), **more)


def applied(seen: ObservedDeployment) -> Workload:
    """The DaemonSet as the operator sees it after it was applied."""
    body = daemon_set(seen)
    meta = {"resourceVersion": "1", "uid": "uid-ds", "generation": 1, **body["metadata"]}
    found = project({**body, "metadata": meta}).value
    assert isinstance(found, Workload)
    return found


def test_a_pod_of_models_that_nobody_need_sign_says_nothing_of_it() -> None:
    plain, keys_only = with_models(model()), with_models(model(verification={"publicKeys": [BOB]}))
    assert demands(plain) is None
    assert json.dumps(daemon_set(plain)) == json.dumps(daemon_set(keys_only))


def test_a_signed_model_s_keys_are_mounted_and_named_in_the_pod() -> None:
    seen = with_models(model(verification=signed(minVersion="0.9.0", notAfter="2030-01-01T00:00:00Z")))
    assert demands(seen) == {
        "digits": {"publicKeys": [ALICE], "minVersion": "0.9.0", "notAfter": "2030-01-01T00:00:00Z"}
    }
    (mounted,) = (one["secret"] for one in pod(seen)["volumes"] if one["name"].startswith("secret-"))
    assert mounted["secretName"] == "signers"
    assert mounted["optional"] is True
    assert mounted["items"] == [{"key": "alice.pub", "path": "alice.pub"}]


def test_beside_a_signed_model_every_other_is_named_so_that_no_plan_adds_one() -> None:
    seen = with_models(model("digits", verification=signed()), model("text"))
    assert demands(seen) == {"digits": {"publicKeys": [ALICE]}, "text": None}


def test_the_plan_carries_the_policy_and_the_two_small_files() -> None:
    digits, text = plan(with_models(model(verification=signed(minVersion="0.9.0")), model("text"))).releases[-1].models
    assert digits.verification is not None
    assert digits.verification.policy.min_version == "0.9.0"
    assert digits.verification.signature is not None
    assert digits.verification.signature.sha256 == sha("signature")
    assert text.verification is None


CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    "nothing": (signed(), signed(), False),
    "a new signature for the same files": (
        signed(),
        signed(signature=small_file("again")),
        False,
    ),
    "a key less": (signed(publicKeys=[{"secretRef": ALICE}, BOB]), signed(), False),
    "a key more": (signed(), signed(publicKeys=[{"secretRef": ALICE}, BOB]), True),
    "another key": (signed(), signed(publicKeys=[BOB]), True),
    "a higher barrier": (signed(minVersion="0.1.0"), signed(minVersion="0.2.0"), True),
    "a lower barrier": (signed(minVersion="0.2.0"), signed(minVersion="0.1.0"), True),
    "an expiry": (signed(), signed(notAfter="2030-01-01T00:00:00Z"), True),
    "required": ({}, signed(), True),
    "required no more": (signed(), {}, True),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_a_pod_demands_changes_with_its_template_and_with_nothing_else(name: str) -> None:
    before, after, replaced = CHANGES[name]
    first = with_models(model(verification=before))
    second = with_models(model(verification=after), workloads=(applied(first),))
    assert (template(first) != template(second)) == replaced
    if not replaced:
        assert demands(first) == demands(second)


def test_a_new_version_of_a_signed_model_replaces_no_pod() -> None:
    first = with_models(model(verification=signed(minVersion="0.1.0")))
    newer = model(
        "digits", build(source={"sha256": sha("new")}), version="2.0.0", verification=signed(minVersion="0.1.0")
    )
    assert template(first) == template(with_models(newer, workloads=(applied(first),)))


def test_a_dropped_key_is_out_of_the_plan_at_once_although_no_pod_is_replaced() -> None:
    first = with_models(model(verification=signed(publicKeys=[{"secretRef": ALICE}, BOB])))
    second = with_models(model(verification=signed()), workloads=(applied(first),))
    (digits,) = plan(second).releases[-1].models
    assert digits.verification is not None
    assert [key.key for key in digits.verification.policy.public_keys] == ["alice.pub"]


def test_demands_that_somebody_damaged_are_written_anew() -> None:
    seen = with_models(model(verification=signed()))
    damaged = replace(applied(seen), trust={})
    assert demands(with_models(model(verification=signed()), workloads=(damaged,))) == {
        "digits": {"publicKeys": [ALICE]}
    }


def test_an_old_release_is_served_by_the_rules_of_today() -> None:
    """Its own signature, and not that of today's version; but today's keys and barrier."""
    old = released(model(version="0.5.0", verification=signed()))
    today = model(
        version="2.0.0",
        verification=signed(
            publicKeys=[BOB],
            minVersion="1.0.0",
            signature=small_file("2"),
        ),
    )
    found = release.refreshed(old, {"digits": today}).models["digits"].verification
    assert found is not None
    assert found.min_version == "1.0.0"
    assert [key.secret_ref.key for key in found.public_keys] == ["bob.pub"]
    assert found.signature is not None
    assert found.signature.sha256 == sha("signature")


def test_a_release_from_before_signatures_has_none_to_show() -> None:
    old = released(model(version="0.5.0"))
    found = (
        release.refreshed(old, {"digits": model(version="2.0.0", verification=signed())}).models["digits"].verification
    )
    assert found is not None
    assert found.required
    assert found.signature is None
    assert found.manifest is None


def test_while_it_serves_the_stable_release_a_pod_demands_what_the_model_asks_today() -> None:
    before, today = with_models(model(version="0.5.0")), model(version="2.0.0", verification=signed())
    old = (snapshot(released(model(version="0.5.0"))),)
    assert demands(with_models(today, plan=plan(before), releases=old)) == {"digits": {"publicKeys": [ALICE]}}
