from __future__ import annotations

import pytest

from edgewise.api.edgedeployment import EdgeDeployment, EdgeDeploymentStatus
from edgewise.contract.plan import DeploymentRef
from edgewise.contract.plan import Plan as DevicePlan
from edgewise.core.deployment import blockers, decide
from edgewise.core.observed import ObservedDeployment, Settings
from edgewise.core.outcome import Finding
from tests.unit.core.builders import (
    NAMESPACE,
    NOW,
    UID,
    deployment,
    model,
    observed,
    released,
    signed,
    snapshot,
    workload,
)

DIGITS, TEXT = model("digits"), model("text")
BOTH, ONE = released(DIGITS, TEXT), released(TEXT)
BARRED = model("digits", verification=signed(minVersion="2.0.0"))
FOREIGN = {"image": "evil.example/runtime:1"}
SHIFT = {"gates": {"confidenceShift": "0.25"}}
OURS_ONLY = Settings(allowed_images=("ghcr.io/edgewise/", "registry.local/"))
READ_WHAT_IS_FOUND = [
    {"name": "find", "model": "digits"},
    {"name": "read", "model": "text", "from": "find", "crop": "quads"},
]


def serving(target: str = BOTH.name) -> DevicePlan:
    ref = DeploymentRef(namespace=NAMESPACE, name="digits", uid=UID)
    return DevicePlan(deployment=ref, sequence=3, stable=target, target=target, releases=[], profiles={})


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(
            observed(deployment(serving=FOREIGN), settings=OURS_ONLY),
            Finding(
                "NotAllowed",
                "spec.serving.image evil.example/runtime:1 has none of the prefixes this cluster allows "
                "(ghcr.io/edgewise/, registry.local/); choose another image, or ask the administrator to add its "
                "prefix to allowedImages",
            ),
            id="an image the administrator does not allow",
        ),
        pytest.param(
            observed(workloads=(workload("npu"), workload("cpu")), invalid_profiles={"npu": "engine: unknown"}),
            Finding(
                "ProfileInvalid",
                "DeviceProfile npu, which serves here, cannot be read: engine: unknown. "
                "Correct it, or align operator and CRDs",
            ),
            id="a profile in use that cannot be read",
        ),
        pytest.param(
            observed(deployment(release="9.9.9-x"), releases=(snapshot(BOTH), snapshot(ONE, 2))),
            Finding(
                "ReleaseNotFound",
                f"spec.release 9.9.9-x is not a known release (there: {', '.join(sorted([BOTH.name, ONE.name]))}); "
                "name one of those, or leave it empty to follow the models",
            ),
            id="a pin to nowhere",
        ),
        pytest.param(
            observed(deployment("digits", "text", name="reader", pipeline=READ_WHAT_IS_FOUND), models=[DIGITS, TEXT]),
            Finding(
                "InvalidSpec",
                "pipeline step read: crop 'quads' is no output of step find to cut by: crop is boxes where model "
                "digits has a post step nms, quads where it has textBoxes",
            ),
            id="a pipeline whose models do not fit",
        ),
        pytest.param(
            observed(deployment(release="9.9.9-x")),
            Finding(
                "ReleaseNotFound",
                "spec.release 9.9.9-x is not a known release (there: none yet); "
                "name one of those, or leave it empty to follow the models",
            ),
            id="a pin before there is a release",
        ),
        pytest.param(
            observed(deployment("digits", "numbers", "text"), models=[TEXT]),
            Finding(
                "ModelNotFound",
                "EdgeModel digits, numbers does not exist in namespace edge (there: text); create it, or correct "
                "spec.models",
            ),
            id="models that were never there",
        ),
        pytest.param(
            observed(deployment("digits", "numbers"), models=[DIGITS], plan=serving(), releases=(snapshot(BOTH),)),
            Finding(
                "ModelNotFound",
                "EdgeModel numbers does not exist in namespace edge (there: digits); create it, or correct spec.models",
            ),
            id="a model added to a running deployment that was never there",
        ),
        pytest.param(
            observed(models=[], plan=serving()),
            Finding(
                "ModelNotFound",
                "EdgeModel digits does not exist in namespace edge (there: none); create it, or correct spec.models",
            ),
            id="model and snapshot are both gone",
        ),
        pytest.param(
            observed(models=[], invalid_models={"digits": "spec.version: not semver"}),
            Finding("ModelInvalid", "EdgeModel digits cannot be read: spec.version: not semver. Correct it"),
            id="a model that cannot be read",
        ),
        pytest.param(
            observed(models=[BARRED]),
            Finding(
                "VersionTooOld",
                "EdgeModel digits: spec.version 1.0.0 is below spec.verification.minVersion 2.0.0, so that no device "
                "would take it; raise the one or lower the other",
            ),
            id="a model that its own barrier keeps out",
        ),
    ],
)
def test_a_blocker_says_what_to_change(seen: ObservedDeployment, expected: Finding) -> None:
    assert blockers.first(seen) == expected


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(observed(), id="nothing is wrong"),
        pytest.param(
            observed(
                deployment(serving={"image": "ghcr.io/edgewise/cpu:1"}),
                settings=Settings(allowed_images=("ghcr.io/edgewise/",)),
            ),
            id="an allowed image",
        ),
        pytest.param(observed(deployment(serving={"image": "any.example/cpu:1"})), id="any image is allowed"),
        pytest.param(observed(invalid_profiles={"npu": "engine: unknown"}), id="an unreadable profile nobody uses"),
        pytest.param(observed(deployment(release=BOTH.name), releases=(snapshot(BOTH),)), id="a pin to what is there"),
        pytest.param(
            observed(models=[], plan=serving(), releases=(snapshot(BOTH),)), id="a deleted model lives in its snapshot"
        ),
        pytest.param(
            observed(deployment(release=BOTH.name), models=[], releases=(snapshot(BOTH),)), id="a pin needs no model"
        ),
        pytest.param(
            observed(
                deployment(release=BOTH.name), models=[], invalid_models={"digits": "?"}, releases=(snapshot(BOTH),)
            ),
            id="nor a readable one",
        ),
        pytest.param(
            observed(deployment(release=BOTH.name), models=[BARRED], releases=(snapshot(BOTH),)),
            id="nor one this version can honour",
        ),
        pytest.param(
            observed(deployment(rollout=SHIFT), models=[model("digits", task="Classification")]),
            id="a gate on what can be judged",
        ),
    ],
)
def test_what_can_go_on_is_not_blocked(seen: ObservedDeployment) -> None:
    assert blockers.first(seen) is None


def test_a_gate_on_confidence_that_no_model_has_is_refused() -> None:
    assert blockers.first(observed(deployment(rollout=SHIFT))) == Finding(
        "InvalidSpec",
        "spec.rollout.gates.confidenceShift: nobody can tell how sure digits (task Other) is; "
        "set spec.confidence in its EdgeModel, or remove the gate",
    )


def test_the_first_of_two_blockers_speaks() -> None:
    both = observed(deployment(serving=FOREIGN), models=[], settings=OURS_ONLY)
    assert blockers.first(both) == blockers.image_is_not_allowed(both)
    assert blockers.model_is_missing(both) is not None


TOLD = EdgeDeploymentStatus.model_validate(
    {
        "observedGeneration": 1,
        "url": "http://digits.edge.svc:8000",
        "nodes": {"matched": 3, "ready": 3, "updated": 3},
        "release": {"stable": "1.0.0-abc", "target": "1.0.0-abc"},
        "plan": {"sequence": 4},
        "images": {"cpu": "ghcr.io/edgewise/cpu:0.1.0"},
    }
).wire()


@pytest.mark.parametrize(
    "blocked",
    [
        pytest.param(deployment(release="9.9.9-x", status=TOLD, generation=2), id="by a pin"),
        pytest.param(deployment("nowhere", status=TOLD, generation=2), id="by a model"),
    ],
)
def test_a_blocked_deployment_changes_nothing_but_its_conditions(blocked: EdgeDeployment) -> None:
    outcome = decide(observed(blocked, workloads=(workload(),), children=(workload().ref,)), NOW)
    assert (outcome.apply, outcome.prune, outcome.delete, outcome.pokes) == ((), (), (), ())
    assert outcome.requeue_after is None
    assert outcome.status is not None
    conditions = outcome.status.pop("conditions")
    assert outcome.status == {**TOLD, "observedGeneration": 2}
    assert [(one["type"], one["status"]) for one in conditions] == [("Ready", "False"), ("Stalled", "True")]
    assert [event.type for event in outcome.events] == ["Warning"]
