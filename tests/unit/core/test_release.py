from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from edgewise.api.edgemodel import EdgeModelSpec
from edgewise.api.pipeline import PipelineStep
from edgewise.core import release
from edgewise.core.release import Release
from tests.unit.core.builders import ONNX_INT8, build, model, released, sha, signed, snapshot

BASE = model("digits", build("fp32"), build("int8", ONNX_INT8))


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"source": {"uri": "oci://registry.example/digits:1"}}, id="uri"),
        pytest.param({"source": {"mirrors": ["https://mirror.example/digits.onnx"]}}, id="mirrors"),
        pytest.param({"source": {"secretRef": {"name": "registry"}}}, id="credentials"),
        pytest.param({"source": {"caSecretRef": {"name": "ca", "key": "ca.crt"}}}, id="CA"),
        pytest.param({"source": {"uri": "oci://registry.local/digits:1", "plainHTTP": True}}, id="plain HTTP"),
        pytest.param({"source": {"size": 83_000}}, id="size"),
        pytest.param({"accuracy": "0.957"}, id="accuracy"),
        pytest.param({"memory": "80Mi"}, id="memory"),
        pytest.param(
            {"deltas": [{"fromSha256": sha("old"), "uri": "https://models.example/d", "sha256": sha("d")}]}, id="deltas"
        ),
        pytest.param(
            {"source": {"compressed": {"uri": "https://models.example/c", "sha256": sha("c")}}}, id="compressed copy"
        ),
    ],
)
def test_an_attribute_of_a_build_makes_no_new_release(changed: dict[str, Any]) -> None:
    edited = model("digits", build("fp32", **changed), build("int8", ONNX_INT8))
    assert edited.spec != BASE.spec
    assert released(edited).name == released(BASE).name


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"confidence": {"output": "logits", "method": "Margin"}}, id="confidence"),
        pytest.param({"description": "digits written by hand"}, id="description"),
        pytest.param({"revisionHistoryLimit": 3}, id="history"),
        pytest.param({"verification": signed(minVersion="0.9.0")}, id="keys and barriers"),
        pytest.param({"selfTest": {"inline": "{}"}}, id="self test"),
    ],
)
def test_an_attribute_of_the_model_makes_no_new_release(spec: dict[str, Any]) -> None:
    edited = model("digits", build("fp32"), build("int8", ONNX_INT8), **spec)
    assert released(edited).name == released(BASE).name


def test_the_order_of_builds_makes_no_new_release() -> None:
    assert released(model("digits", build("int8", ONNX_INT8), build("fp32"))).name == released(BASE).name


@pytest.mark.parametrize(
    "edited",
    [
        pytest.param(model("digits", build("fp32"), build("int8", ONNX_INT8), version="1.0.1"), id="version"),
        pytest.param(
            model("digits", build("fp32", source={"sha256": sha("new")}), build("int8", ONNX_INT8)), id="sha256"
        ),
        pytest.param(model("digits", build("fp32"), build("int8", ("ONNX", "FP16"))), id="precision"),
        pytest.param(model("digits", build("fp32"), build("int8", ("OpenVINOIR", "INT8"))), id="format"),
        pytest.param(model("digits", build("fp32")), id="a build less"),
        pytest.param(model("digits", build("full"), build("int8", ONNX_INT8)), id="a build's name"),
        pytest.param(
            model("digits", build("fp32"), build("int8", ONNX_INT8), processing={"post": [{"softmax": {}}]}),
            id="processing",
        ),
        pytest.param(
            model(
                "digits", build("fp32"), build("int8", ONNX_INT8),
                encryption={"keySecretRef": {"name": "key", "key": "aes"}},
            ),
            id="encryption",
        ),
    ],
)  # fmt: skip
def test_what_changes_the_answers_makes_a_new_release(edited: Any) -> None:
    assert released(edited).name != released(BASE).name


def test_the_models_names_and_the_pipeline_make_a_new_release() -> None:
    specs = {"digits": BASE.spec}
    step = PipelineStep.model_validate({"name": "read", "model": "digits"})
    names = {
        release.make(specs, []).name,
        release.make({"numbers": BASE.spec}, []).name,
        release.make({**specs, "text": BASE.spec}, []).name,
        release.make(specs, [step]).name,
    }
    assert len(names) == 4


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("2.1.0", "2.1.0"),
        ("2.1.0-rc.1+build.7", "2.1.0-rc.1-build.7"),
        ("2.1.0-RC.1", "2.1.0-rc.1"),
        ("2.1.0-..1", "2.1.0-1"),
        ("2.1.0-a.-b", "2.1.0-a-b"),
        ("1.0.0-" + "x" * 58, "1.0.0-" + "x" * 34),
        ("1.0.0-" + "x" * 33 + ".y", "1.0.0-" + "x" * 33),
    ],
)
def test_a_release_begins_with_its_version_as_an_objects_name_may_say_it(version: str, expected: str) -> None:
    name = released(model("digits", version=version)).name
    readable, _, digest = name.rpartition("-")
    assert readable == expected
    assert len(digest) == 8


def test_a_snapshot_is_read_back_whole() -> None:
    step = PipelineStep.model_validate({"name": "read", "model": "text", "from": "digits"})
    whole = release.make({"text": model("text").spec, "digits": BASE.spec}, [step])
    again = release.read(whole.data)
    assert again == whole
    assert again is not None
    assert list(again.models) == ["text", "digits"]


WHOLE = released(BASE).data


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({}, id="empty"),
        pytest.param({**WHOLE, "models": []}, id="no model"),
        pytest.param({**WHOLE, "models": None}, id="models are no list"),
        pytest.param({**WHOLE, "models": ["digits"]}, id="a model is no object"),
        pytest.param({**WHOLE, "models": [{"name": "digits"}]}, id="a model without its spec"),
        pytest.param({**WHOLE, "models": [{"name": "digits", "spec": {"version": "1"}}]}, id="a spec that is none"),
        pytest.param({**WHOLE, "pipeline": [{"name": "read"}]}, id="a step that is none"),
        pytest.param({key: value for key, value in WHOLE.items() if key != "pipeline"}, id="a part is missing"),
    ],
)
def test_a_damaged_snapshot_is_no_release(data: dict[str, Any]) -> None:
    assert release.read(data) is None


def test_damaged_snapshots_are_left_out_of_what_is_known() -> None:
    good, bad = released(BASE), Release("1.0.0-bad", {})
    assert release.known([snapshot(good, 1), snapshot(bad, 2)]) == {good.name: good}


def test_a_release_takes_todays_attributes_of_a_model_at_the_same_revision() -> None:
    moved = model("digits", build("fp32", accuracy="0.97"), build("int8", ONNX_INT8))
    assert release.refreshed(released(BASE), {"digits": moved}).models == {"digits": moved.spec}


@pytest.mark.parametrize(
    "live", [{}, {"digits": model("digits", version="2.0.0")}], ids=["gone", "at another revision"]
)
def test_a_release_stays_as_it_is_when_its_model_is(live: dict[str, Any]) -> None:
    assert release.refreshed(released(BASE), live) == released(BASE)


DELTA = {"uri": "https://models.example/digits.delta", "sha256": "0" * 64, "fromSha256": "1" * 64}


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"selfTest": {"source": "https://models.example/golden.npz"}}, r"selfTest\.sha256 goes with selfTest\.source"),
        (
            {
                "encryption": {"keySecretRef": {"name": "keys", "key": "model.key"}},
                "variants": [build(deltas=[DELTA])],
            },
            "an encrypted model has no deltas",
        ),
    ],
    ids=["a self test without the hash of its file", "a delta of an encrypted model"],
)
def test_a_release_that_was_accepted_before_a_rule_came_is_still_read(spec: dict[str, Any], says: str) -> None:
    kept = released(BASE).data
    kept["models"][0]["spec"] |= spec
    assert release.read(kept) is not None
    with pytest.raises(ValidationError, match=says):
        EdgeModelSpec.model_validate(kept["models"][0]["spec"])
