"""A threshold that can never act is told."""

from __future__ import annotations

from typing import Any

import pytest

from edgewise.api.pipeline import PipelineStep
from edgewise.core import release
from edgewise.core.doubt import beyond_doubt
from tests.unit.core.builders import deployment, model, released

FIELD = "spec.escalation.when.confidenceBelow"
TARGETS = [{"name": "cloud", "url": "http://triton:8000"}]
BELOW: dict[str, Any] = {"escalation": {"targets": TARGETS, "when": {"confidenceBelow": "0.8"}}}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a classification is measured by itself": (BELOW, {"task": "Classification"}, ""),
    "a detection, too": (BELOW, {"task": "Detection"}, ""),
    "a regression is not": (
        BELOW, {"task": "Regression"},
        f"{FIELD} cannot act on digits (task Regression): set spec.confidence in its EdgeModel",
    ),
    "unless it says how": (BELOW, {"task": "Regression", "confidence": {"output": "sureness"}}, ""),
    "a model that says that nobody can tell": (
        BELOW, {"task": "Classification", "confidence": {"method": "None"}},
        f"{FIELD} cannot act on digits (task Classification): set spec.confidence in its EdgeModel",
    ),
    "an anomaly without a threshold": (
        BELOW, {"task": "Anomaly"},
        f"{FIELD} cannot act on digits (task Anomaly): set spec.confidence in its EdgeModel",
    ),
    "no threshold is wanted": ({"escalation": {"targets": TARGETS}}, {"task": "Regression"}, ""),
    "no help is wanted": ({}, {"task": "Regression"}, ""),
    "nothing may leave": ({"escalation": {**BELOW["escalation"], "privacy": "Never"}}, {"task": "Regression"}, ""),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_threshold_that_cannot_act_is_told(case: str) -> None:
    spec, of_model, expected = CASES[case]
    assert beyond_doubt(deployment(**spec).spec, released(model(**of_model))) == expected


def test_answers_of_a_pipeline_are_not_doubted() -> None:
    chain = release.make({"digits": model(task="Classification").spec}, [PipelineStep(name="one", model="digits")])
    assert beyond_doubt(deployment(**BELOW).spec, chain) == (
        f"{FIELD} does not act on answers of the pipeline, only on its models asked by themselves"
    )
