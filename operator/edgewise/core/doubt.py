"""Says where spec.escalation.when.confidenceBelow can never act, since nobody can tell how sure an answer is."""

from __future__ import annotations

from edgewise.api.confidence import measured_by
from edgewise.api.edgedeployment import EdgeDeploymentSpec
from edgewise.core.release import Release

_FIELD = "spec.escalation.when.confidenceBelow"


def beyond_doubt(spec: EdgeDeploymentSpec, release: Release) -> str:
    """What it does not act on, and what to change about that; empty: nothing."""
    if spec.help is None or spec.help.when.confidence_below is None:
        return ""
    silent = [
        f"{name} (task {model.task})"
        for name, model in release.models.items()
        if measured_by(model.task, model.confidence) is None
    ]
    remarks = []
    if silent:
        remarks.append(f"{_FIELD} cannot act on {', '.join(silent)}: set spec.confidence in its EdgeModel")
    if release.pipeline:
        remarks.append(f"{_FIELD} does not act on answers of the pipeline, only on its models asked by themselves")
    return "; ".join(remarks)
