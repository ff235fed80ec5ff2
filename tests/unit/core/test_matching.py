from __future__ import annotations

from typing import Any

import pytest

from edgewise.api.deviceprofile import NodeRequirement
from edgewise.api.edgedeployment import Requirements
from edgewise.api.edgemodel import EdgeModel
from edgewise.core.matching import Fit, belongs, fit, rank
from tests.unit.core.builders import ONNX_FP16, ONNX_FP32, ONNX_INT8, TPU_INT8, build, model, profile

LABELS = {"arch": "arm64", "gpu-memory": "8192", "spare": ""}


@pytest.mark.parametrize(
    ("key", "operator", "values", "expected"),
    [
        pytest.param("arch", "In", ["amd64", "arm64"], True, id="In holds for one of the values"),
        pytest.param("arch", "In", ["amd64"], False, id="In does not hold for another value"),
        pytest.param("absent", "In", ["arm64"], False, id="In does not hold without the label"),
        pytest.param("spare", "In", [""], True, id="In holds for an empty value"),
        pytest.param("arch", "NotIn", ["amd64"], True, id="NotIn holds for another value"),
        pytest.param("arch", "NotIn", ["arm64"], False, id="NotIn does not hold for one of the values"),
        pytest.param("absent", "NotIn", ["arm64"], True, id="NotIn holds without the label, as in Kubernetes"),
        pytest.param("spare", "Exists", [], True, id="Exists holds for an empty value"),
        pytest.param("absent", "Exists", [], False, id="Exists does not hold without the label"),
        pytest.param("absent", "DoesNotExist", [], True, id="DoesNotExist holds without the label"),
        pytest.param("spare", "DoesNotExist", [], False, id="DoesNotExist does not hold for an empty value"),
        pytest.param("gpu-memory", "Gt", ["8191"], True, id="Gt compares numbers, not text"),
        pytest.param("gpu-memory", "Gt", ["8192"], False, id="Gt is strict"),
        pytest.param("gpu-memory", "Lt", ["10000"], True, id="Lt compares numbers, not text"),
        pytest.param("gpu-memory", "Lt", ["8192"], False, id="Lt is strict"),
        pytest.param("arch", "Gt", ["1"], False, id="Gt does not hold for a value that is no number"),
        pytest.param("absent", "Lt", ["1"], False, id="Lt does not hold without the label"),
    ],
)
def test_an_operator_means_what_it_means_in_a_pod(key: str, operator: str, values: list[str], expected: bool) -> None:
    requirement = NodeRequirement.model_validate({"key": key, "operator": operator, "values": values})
    term = {"matchExpressions": [requirement.wire()]}
    assert belongs(profile(nodeSelectorTerms=[term]), LABELS) is expected


def terms(*groups: list[str]) -> dict[str, Any]:
    return {
        "nodeSelectorTerms": [
            {"matchExpressions": [{"key": key, "operator": "Exists"} for key in group]} for group in groups
        ]
    }


def test_all_expressions_of_a_term_must_hold() -> None:
    assert belongs(profile(**terms(["arch", "spare"])), LABELS)
    assert not belongs(profile(**terms(["arch", "absent"])), LABELS)


def test_one_term_is_enough() -> None:
    assert belongs(profile(**terms(["absent"], ["arch"])), LABELS)
    assert not belongs(profile(**terms(["absent"], ["missing"])), LABELS)


def test_priority_ranks_before_the_name() -> None:
    profiles = [profile("a", priority=1), profile("z", priority=9), profile("b", priority=9)]
    assert [one.metadata.name for one in sorted(profiles, key=rank)] == ["b", "z", "a"]


def chosen(result: Fit) -> dict[str, str]:
    return {name: variant.name for name, variant in result.variants.items()}


def fitted(of: Any, *models: EdgeModel, **requirements: Any) -> Fit:
    wanted = Requirements.model_validate(requirements)
    return fit(of, {one.metadata.name: one.spec for one in models}, wanted)


EVERY_BUILD = model("digits", build("fp32"), build("int8", ONNX_INT8), build("fp16", ONNX_FP16))


@pytest.mark.parametrize(
    ("liked", "expected"),
    [
        ([ONNX_FP16, ONNX_INT8, ONNX_FP32], "fp16"),
        ([ONNX_INT8, ONNX_FP16], "int8"),
        ([TPU_INT8, ONNX_FP32, ONNX_INT8], "fp32"),
    ],
)
def test_the_first_liked_build_wins_whatever_the_models_own_order(liked: list[tuple[str, str]], expected: str) -> None:
    assert chosen(fitted(profile("jetson", *liked), EVERY_BUILD)) == {"digits": expected}


def test_of_two_builds_of_one_kind_the_models_first_wins() -> None:
    both = model("digits", build("big"), build("small"))
    assert chosen(fitted(profile(), both)) == {"digits": "big"}


def test_a_liked_build_that_is_refused_gives_way_to_the_next() -> None:
    weak = model("digits", build("int8", ONNX_INT8, accuracy="0.90"), build("fp32", accuracy="0.97"))
    assert chosen(fitted(profile("npu", ONNX_INT8, ONNX_FP32), weak, minAccuracy="0.95")) == {"digits": "fp32"}


@pytest.mark.parametrize(
    ("on", "variant", "requirements", "reason"),
    [
        pytest.param(
            profile("coral", TPU_INT8, runtime={"engine": "LiteRT"}), build("fp32"), {},
            "digits/fp32: LiteRT does not load ONNX", id="engine",
        ),
        pytest.param(
            profile("npu", ONNX_INT8), build("fp32"), {},
            "digits/fp32: the profile does not list ONNX FP32", id="kind",
        ),
        pytest.param(
            profile(), build("fp32"), {"precisions": ["INT8"]},
            "digits/fp32: precision FP32 is not among requirements.precisions", id="precision",
        ),
        pytest.param(
            profile(), build("fp32"), {"minAccuracy": "0.95"},
            "digits/fp32: states no accuracy, requirements.minAccuracy is 0.95", id="no accuracy",
        ),
        pytest.param(
            profile(), build("fp32", accuracy="0.949"), {"minAccuracy": "0.95"},
            "digits/fp32: accuracy 0.949 is below requirements.minAccuracy 0.95", id="accuracy",
        ),
        pytest.param(
            profile(memory="1Gi"), build("fp32", memory="2Gi"), {},
            "digits/fp32: needs 2Gi of memory, such a device gives models 1Gi", id="memory",
        ),
    ],
)  # fmt: skip
def test_a_refusal_says_why(on: Any, variant: Any, requirements: dict[str, Any], reason: str) -> None:
    result = fitted(on, model("digits", variant), **requirements)
    assert not result.fits
    assert result.reasons == (reason,)


def test_the_limits_themselves_are_within_the_limits() -> None:
    on_the_edge = model("digits", build(memory="1Gi", accuracy="0.95"))
    assert fitted(profile(memory="1024Mi"), on_the_edge, minAccuracy="0.95").fits


def test_every_build_of_a_model_that_does_not_fit_is_accounted_for_in_the_models_order() -> None:
    result = fitted(profile("coral", TPU_INT8, runtime={"engine": "LiteRT"}), EVERY_BUILD)
    assert [reason.partition(":")[0] for reason in result.reasons] == ["digits/fp32", "digits/int8", "digits/fp16"]


def test_one_model_that_does_not_fit_spoils_the_profile_for_all() -> None:
    result = fitted(profile(), model("digits"), model("text", build("int8", ONNX_INT8)))
    assert result.reasons == ("text/int8: the profile does not list ONNX INT8",)


def test_models_share_the_memory_of_a_device() -> None:
    both = [model("digits", build(memory="600Mi")), model("text", build(memory="600Mi"))]
    assert fitted(profile(memory="2Gi"), *both).memory == 1200 * 2**20
    assert fitted(profile(memory="1Gi"), *both).reasons == ("needs 1.2Gi of memory, such a device gives models 1Gi",)


@pytest.mark.parametrize(
    ("engine", "kind", "expected"),
    [
        ("ONNXRuntime", ("ONNX", "FP32"), True),
        ("ONNXRuntime", ("TFLite", "FP32"), False),
        ("OpenVINO", ("ONNX", "FP32"), True),
        ("OpenVINO", ("OpenVINOIR", "FP32"), True),
        ("OpenVINO", ("EdgeTPU", "INT8"), False),
        ("LiteRT", ("TFLite", "FP32"), True),
        ("LiteRT", ("EdgeTPU", "INT8"), True),
        ("LiteRT", ("OpenVINOIR", "FP32"), False),
    ],
)
def test_an_engine_loads_its_own_formats(engine: str, kind: tuple[str, str], expected: bool) -> None:
    assert (
        fitted(profile("device", kind, runtime={"engine": engine}), model("digits", build("b", kind))).fits is expected
    )
