"""A resource that cannot work says what to change, disturbs nobody, and what served before keeps serving."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml

from tests.cluster.command import CommandError
from tests.stage.examples import EXAMPLES
from tests.stage.product import Product


def digits_model(name: str) -> dict[str, Any]:
    """The first example's EdgeModel under another name."""
    model: dict[str, Any] = yaml.safe_load((EXAMPLES / "01-digits" / "edgemodel.yaml").read_text())
    model["metadata"]["name"] = name
    return model


def deployment(name: str, **spec: Any) -> dict[str, Any]:
    """An EdgeDeployment on the plain CPU device alone."""
    return {
        "apiVersion": "edgewise.dev/v1alpha1",
        "kind": "EdgeDeployment",
        "metadata": {"name": name},
        "spec": {
            "models": [{"name": name}],
            "placement": {"nodeSelector": {"kubernetes.io/hostname": "cpu-0"}},
            **spec,
        },
    }


@dataclass(frozen=True)
class Case:
    """What somebody applied, and what the EdgeDeployment must say."""

    reason: str
    message: str
    break_model: Callable[[dict[str, Any]], None] | None = lambda model: None
    """Breaks a good EdgeModel; None: there is no EdgeModel at all."""
    spec: dict[str, Any] = field(default_factory=dict)


def _source(model: dict[str, Any], **changes: Any) -> None:
    for variant in model["spec"]["variants"]:
        variant["source"] |= changes


def _memory(model: dict[str, Any]) -> None:
    for variant in model["spec"]["variants"]:
        variant["memory"] = "500Gi"


NOWHERE = "http://nobody.edgewise-demo.svc:8080/digits.onnx"
CASES = {
    "model-that-does-not-exist": Case("ModelNotFound", "create it, or correct spec.models", break_model=None),
    "node-selector-without-node": Case(
        "NoMatchingNode", "moon=yes", spec={"placement": {"nodeSelector": {"moon": "yes"}}}
    ),
    "profile-that-no-node-has": Case(
        "NoFittingBuild",
        "placement.profiles",
        spec={"placement": {"nodeSelector": {"kubernetes.io/hostname": "cpu-0"}, "profiles": ["jetson-nano"]}},
    ),
    "accuracy-no-build-has": Case("NoFittingBuild", "0.999", spec={"requirements": {"minAccuracy": "0.999"}}),
    "more-memory-than-the-device": Case("InsufficientMemory", "the node has", _memory),
    "wrong-sha256": Case("HashMismatch", "sha256", lambda model: _source(model, sha256="0" * 64)),
    "unreachable-uri": Case("SourceUnreachable", "nobody", lambda model: _source(model, uri=NOWHERE)),
    "signature-nobody-can-check": Case(
        "PublicKeyMissing",
        "key alice.pub of Secret signers is missing",
        lambda model: model["spec"].update(
            verification={
                "required": True,
                "publicKeys": [{"secretRef": {"name": "signers", "key": "alice.pub"}}],
                "signature": {"uri": NOWHERE, "sha256": "0" * 64, "size": 1},
                "manifest": {"uri": NOWHERE, "sha256": "1" * 64, "size": 1},
            }
        ),
    ),
    "release-nobody-knows": Case("ReleaseNotFound", "9.9.9", spec={"release": "9.9.9-00000000"}),
}


@pytest.fixture
def clean(model_store: Product) -> Iterator[Product]:
    yield model_store
    for kind in ("edgedeployments", "edgemodels"):
        model_store.kubectl("delete", kind, *CASES, "--ignore-not-found", "--wait=false")


def test_every_mistake_gets_its_reason_and_disturbs_nobody(digits: Product, clean: Product) -> None:
    for name, case in CASES.items():
        if case.break_model is not None:
            model = digits_model(name)
            case.break_model(model)
            clean.kubectl.apply(model)
        clean.kubectl.apply(deployment(name, **case.spec))
    for name, case in CASES.items():
        ready = clean.kubectl.wait_reason("edgedeployment", name, case.reason, 90)
        assert ready["status"] == "False", name
        assert case.message in ready["message"], f"{name}: {ready['message']}"
    assert digits.kubectl.condition("edgedeployment", "digits")["status"] == "True"
    assert len(digits.pods("digits")) == 5


def test_a_broken_new_version_leaves_the_old_one_serving(digits: Product) -> None:
    model = yaml.safe_load((EXAMPLES / "02-model-update" / "edgemodel.yaml").read_text())
    _source(model, sha256="f" * 64)
    before = digits.status()["release"]["stable"]
    digits.kubectl.apply(model)
    ready = digits.kubectl.wait_reason("edgedeployment", "digits", "HashMismatch", 60)
    assert "keep serving" in ready["message"]
    assert digits.kubectl.condition("edgedeployment", "digits", "Stalled")["status"] == "True"
    status = digits.status()
    assert (status["release"]["stable"], status["nodes"]["ready"]) == (before, 5)


def test_an_unknown_field_is_refused_by_name(product: Product) -> None:
    bad = deployment("typo", servng={})
    with pytest.raises(CommandError, match="servng"):
        product.kubectl("apply", "--validate=strict", "-f", "-", stdin=yaml.safe_dump(bad))


def test_a_deleted_model_is_served_on_from_its_snapshot(digits: Product) -> None:
    digits.kubectl("delete", "edgemodel", "digits")
    ready = digits.kubectl.wait_reason("edgedeployment", "digits", "ModelGone", 60)
    assert "served on from its snapshot" in ready["message"]
    assert digits.status()["nodes"]["ready"] == 5
