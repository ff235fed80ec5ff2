"""Plans and their parts, with what does not matter filled in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from edgewise.api.edgemodel import Source
from edgewise.contract.plan import (
    Build,
    DeploymentRef,
    Plan,
    PlanRelease,
    PlanReporting,
    ProfilePlan,
    ReleaseModel,
    Switch,
)  # fmt: skip

NODE, PROFILE, UID = "node-1", "generic-amd64", "0f0f-1"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def source(uri: str, content: bytes, **more: Any) -> Source:
    """`content`, to be had from `uri`."""
    return Source(uri=uri, sha256=sha256(content), **more)


def release(name: str, sources: Mapping[str, Source], version: str = "1.0.0") -> PlanRelease:
    """One FP32 build of each model."""
    return PlanRelease(
        name=name,
        models=[
            ReleaseModel(
                name=model,
                version=version,
                task="Other",
                builds=[Build(variant="fp32", format="ONNX", precision="FP32", source=source, memory=2**20)],
            )
            for model, source in sources.items()
        ],
    )


def plan(sequence: int, *releases: PlanRelease, uid: str = UID, **more: Any) -> Plan:
    """Its target is the last of `releases`, for every node."""
    variants = {each.name: {model.name: "fp32" for model in each.models} for each in releases}
    members: dict[str, Any] = {
        "deployment": DeploymentRef(namespace="default", name="digits", uid=uid),
        "sequence": sequence,
        "target": releases[-1].name if releases else "none",
        "releases": list(releases),
        "profiles": {PROFILE: ProfilePlan(engine="ONNXRuntime", variants=variants)},
        "switch": Switch(),
        "reporting": PlanReporting(),
    }
    return Plan(**(members | more))


def then(before: Plan, after: Plan, **more: object) -> Plan:
    """The next plan: target from `after`, the target of `before` still at hand and stable."""
    variants = before.profiles[PROFILE].variants | after.profiles[PROFILE].variants
    changes = {
        "sequence": before.sequence + 1,
        "stable": before.target,
        "target": after.target,
        "releases": [*before.releases, *after.releases],
        "profiles": {PROFILE: ProfilePlan(engine="ONNXRuntime", variants=variants)},
    }
    return before.model_copy(update=changes | more)
