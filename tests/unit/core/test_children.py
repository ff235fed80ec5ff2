from __future__ import annotations

from typing import Any

import pytest

from edgewise.api.names import child_name
from edgewise.contract.plan import Switch
from edgewise.core.children import plans, pods, revisions, workloads
from edgewise.core.matching import Fit
from edgewise.core.observed import Settings
from tests.unit.core.builders import NAMESPACE, SETTINGS, build, deployment, model, profile, released, sha, snapshot

MIB = 2**20
BASE = pods.RUNTIME_MEMORY // MIB


def rendered(on: Any, serving: dict[str, Any], memory: int = 40 * MIB) -> dict[str, Any]:
    """Resources of the runtime container."""
    of = deployment(serving=serving)
    made_from = pods.inputs(of, on, "image:1", memory, [])
    (container,) = pods.template(of, on, made_from, {})["spec"]["containers"]
    resources: dict[str, Any] = container["resources"]
    return resources


GPU = profile(pod={"resources": {"limits": {"nvidia.com/gpu": 1}, "requests": {"memory": "2Gi"}}})


@pytest.mark.parametrize(
    ("on", "serving", "expected"),
    [
        pytest.param(
            profile(), {}, {"requests": {"cpu": "50m", "memory": str((BASE + 80) * MIB)}},
            id="the runtime, and the models twice",
        ),
        pytest.param(
            profile(), {"resources": {"requests": {"memory": "1Gi"}}}, {"requests": {"cpu": "50m", "memory": "1Gi"}},
            id="a person knows better",
        ),
        pytest.param(
            GPU, {},
            {
                "requests": {"cpu": "50m", "memory": "2Gi", "nvidia.com/gpu": 1},
                "limits": {"nvidia.com/gpu": 1},
            },
            id="an extended resource is requested as it is limited",
        ),
        pytest.param(
            GPU, {"resources": {"requests": {"memory": "1Gi"}}},
            {"requests": {"cpu": "50m", "memory": "1Gi", "nvidia.com/gpu": 1}, "limits": {"nvidia.com/gpu": 1}},
            id="the deployment's word counts more than the profile's",
        ),
        pytest.param(
            profile(), {"resources": {"limits": {"memory": "100Mi", "cpu": "20m"}}},
            {"requests": {"cpu": "20m", "memory": "100Mi"}, "limits": {"memory": "100Mi", "cpu": "20m"}},
            id="no request is above its limit",
        ),
        pytest.param(
            profile(), {"resources": {"limits": {"memory": "4Gi"}}},
            {"requests": {"cpu": "50m", "memory": str((BASE + 80) * MIB)}, "limits": {"memory": "4Gi"}},
            id="a high limit leaves the request alone",
        ),
    ],
)  # fmt: skip
def test_resources(on: Any, serving: dict[str, Any], expected: dict[str, Any]) -> None:
    assert rendered(on, serving) == expected


def hashed(on: Any = None, image: str = "image:1", memory: int = 1, secrets: Any = (), **spec: Any) -> str:
    return pods.inputs(deployment(**spec), on or profile(), image, memory, secrets).hash


def helped(**more: Any) -> dict[str, Any]:
    return {"targets": [{"name": "cloud", "url": "http://triton.cloud.svc:8000"}], **more}


BEFORE = hashed(secrets=["a", "b"])


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(hashed(secrets=["a", "b"], image="image:2"), id="image"),
        pytest.param(hashed(secrets=["a", "b"], memory=2), id="memory of the models"),
        pytest.param(hashed(secrets=["a"]), id="Secrets"),
        pytest.param(hashed(profile(pod={"env": [{"name": "A"}]}), secrets=["a", "b"]), id="the profile's pod"),
        pytest.param(hashed(secrets=["a", "b"], serving={"hostPort": 8000}), id="host port"),
        pytest.param(hashed(secrets=["a", "b"], serving={"cache": {"limit": "2Gi"}}), id="cache limit"),
        pytest.param(hashed(secrets=["a", "b"], serving={"resources": {"limits": {"cpu": "1"}}}), id="resources"),
        pytest.param(hashed(secrets=["a", "b"], placement={"tolerations": [{"operator": "Exists"}]}), id="tolerations"),
        pytest.param(
            hashed(secrets=["a", "b"], serving={"auth": {"tokenSecretRef": {"name": "clients"}}}), id="who may ask"
        ),
        pytest.param(hashed(secrets=["a", "b"], escalation=helped(spool={})), id="room for a spool"),
    ],
)
def test_a_template_is_another_when_a_person_decided_otherwise(after: str) -> None:
    assert after != BEFORE


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(hashed(secrets=["b", "a", "b"]), id="the order of Secrets"),
        pytest.param(hashed(profile(priority=9), secrets=["a", "b"]), id="the profile's priority"),
        pytest.param(hashed(secrets=["a", "b"], serving={"maxQueue": 3}), id="what the plan says"),
        pytest.param(hashed(secrets=["a", "b"], serving={"rateLimit": {"requestsPerSecond": 3}}), id="how often"),
        pytest.param(hashed(secrets=["a", "b"], placement={"nodeSelector": {"a": "b"}}), id="which nodes"),
        pytest.param(hashed(secrets=["a", "b"], escalation=helped()), id="whom to ask"),
        pytest.param(hashed(secrets=["a", "b"], escalation=helped(spool={}, privacy="Never")), id="a spool of nothing"),
    ],
)
def test_a_template_is_the_same_when_only_the_rest_changed(after: str) -> None:
    assert after == BEFORE


def test_names_of_volumes_fit_a_dns_label() -> None:
    long = profile(pod={"volumes": [{"name": "v" * 63, "hostPath": "/v", "mountPath": "/v"}]})
    of = deployment()
    template = pods.template(of, long, pods.inputs(of, long, "image:1", 1, ["s" * 253 + "/token"]), {})
    assert all(len(volume["name"]) <= 63 for volume in template["spec"]["volumes"])


def test_the_longest_names_leave_room_for_what_kubernetes_appends_to_pods() -> None:
    assert len(workloads.name("d" * 52, "p" * 40)) == 52
    assert workloads.name("d" * 52, "p" * 40) != workloads.name("d" * 52, "p" * 39)


def plan(seen: int = 0, **changes: Any) -> Any:
    content = released(model())
    intent = plans.Intent(content, None, Switch(), {})
    drawn = plans.document(deployment(), SETTINGS, intent, [profile()])
    return drawn.model_copy(update={"sequence": seen, **changes})


@pytest.mark.parametrize(
    ("wanted", "present", "seen", "expected"),
    [
        pytest.param(plan(), None, 0, 1, id="the first"),
        pytest.param(plan(), None, 7, 8, id="the ConfigMap was deleted"),
        pytest.param(plan(), plan(7), 7, 7, id="nothing changed"),
        pytest.param(plan(), plan(7), 0, 7, id="nothing changed, the status was lost"),
        pytest.param(plan(target="2.0.0-new"), plan(7), 7, 8, id="something changed"),
        pytest.param(plan(target="2.0.0-new"), plan(7), 9, 10, id="the status knows of a higher one"),
        pytest.param(plan(), plan(7), 9, 10, id="an older ConfigMap was put back"),
    ],
)
def test_a_plan_gets_a_number_no_device_has_seen_unless_nothing_changed(
    wanted: Any, present: Any, seen: int, expected: int
) -> None:
    assert plans.sequenced(wanted, present, seen).sequence == expected


def test_a_plan_reads_back_as_it_was_written() -> None:
    written = plan(3)
    assert type(written).model_validate_json(written.model_dump_json(by_alias=True, exclude_none=True)) == written


def test_a_plan_tells_devices_of_the_copies_of_a_build_that_are_smaller() -> None:
    copy = {"uri": "https://models.example/small", "sha256": sha("small"), "size": 900, "mirrors": []}
    delta = {**copy, "fromSha256": sha("old")}
    of = released(model("digits", build(source={"compressed": copy}, deltas=[delta])))
    variants = {"digits": of.models["digits"].variants[0]}
    fits = {of.name: {"generic-amd64": Fit("generic-amd64", variants)}}
    (told,) = plans.document(deployment(), SETTINGS, plans.Intent(of, None, Switch(), fits), [profile()]).releases
    (kept,) = told.models[0].builds
    assert kept.source.compressed is not None
    assert kept.source.compressed.wire() == copy
    assert [each.wire() for each in kept.deltas] == [delta]


def test_a_new_address_for_reports_is_another_plan() -> None:
    intent = plans.Intent(released(model()), None, Switch(), {})
    moved = plans.document(deployment(), Settings(report_url="https://elsewhere"), intent, [profile()])
    assert plans.sequenced(moved, plan(3), 3).sequence == 4


def kept(*numbers: int) -> list[Any]:
    return [snapshot(released(model(version=f"1.{number}.0")), number) for number in numbers]


def name(number: int) -> str:
    return revisions.release_name("digits", released(model(version=f"1.{number}.0")).name)


@pytest.mark.parametrize(
    ("present", "keep", "limit", "expected"),
    [
        pytest.param([3, 1, 2], [], 3, [], id="within the limit"),
        pytest.param([3, 1, 2], [], 1, [1, 2], id="oldest first"),
        pytest.param([3, 1, 2], [1], 1, [2, 3], id="what is used stays"),
        pytest.param([1, 2], [1, 2], 0, [], id="even beyond the limit"),
        pytest.param([], [], 0, [], id="nothing there"),
    ],
)
def test_snapshots_beyond_the_limit_go(present: list[int], keep: list[int], limit: int, expected: list[int]) -> None:
    gone = revisions.outlived(kept(*present), {name(number) for number in keep}, limit)
    assert [ref.name for ref in gone] == [name(number) for number in expected]


def test_numbers_of_snapshots_rise() -> None:
    assert revisions.next_number([]) == 1
    assert revisions.next_number(kept(4, 2)) == 5


def test_every_child_belongs_to_its_owner_and_says_whose_it_is() -> None:
    made = revisions.release(deployment(), released(model()), 1)
    assert made["metadata"]["namespace"] == NAMESPACE
    assert [(owner["kind"], owner["name"], owner["controller"]) for owner in made["metadata"]["ownerReferences"]] == [
        ("EdgeDeployment", "digits", True)
    ]
    assert made["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "edgewise"
    assert child_name("digits", "plan") == "digits-plan"
