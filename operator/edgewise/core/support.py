"""Fields the API already takes and this version does not act on: refused where that would be unsafe, else named.

Each entry is a path with what an unset value looks like; when a field becomes real, its line goes away.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgewise.api.edgedeployment import EdgeDeploymentSpec
from edgewise.api.edgemodel import EdgeModelSpec

Used = Callable[[Any], bool]

# Serving without what these ask for would be unsafe.
REFUSED_IN_MODEL: dict[str, Used] = {
    "spec.verification.required": lambda spec: spec.verification is not None and spec.verification.required,
    "spec.encryption": lambda spec: spec.encryption is not None,
}

# Serving goes on; Ready's message names them.
IGNORED_IN_MODEL: dict[str, Used] = {
    "spec.selfTest": lambda spec: spec.self_test is not None,
    "spec.variants[].deltas": lambda spec: any(variant.deltas for variant in spec.variants),
    "spec.verification.minVersion": lambda spec: spec.verification is not None and bool(spec.verification.min_version),
    "spec.verification.notAfter": lambda spec: spec.verification is not None and bool(spec.verification.not_after),
}
IGNORED_IN_DEPLOYMENT: dict[str, Used] = {
    "spec.serving.cache.type": lambda spec: spec.serving.cache.type != "Ephemeral",
    "spec.serving.switch": lambda spec: spec.serving.switch != "Beside",
    "spec.rollout.waves": lambda spec: bool(spec.rollout.waves),
    "spec.rollout.gates": lambda spec: spec.rollout.gates is not None,
    "spec.rollout.promote": lambda spec: bool(spec.rollout.promote),
    "spec.rollout.retry": lambda spec: bool(spec.rollout.retry),
    "spec.rollout.rollbackOnFailure": lambda spec: not spec.rollout.rollback_on_failure,
    "spec.rollout.window": lambda spec: spec.rollout.window is not None,
    "spec.rollout.bandwidth": lambda spec: spec.rollout.bandwidth is not None,
}


def _used(table: dict[str, Used], spec: EdgeModelSpec | EdgeDeploymentSpec) -> list[str]:
    return [path for path, used in table.items() if used(spec)]


def refused_in_model(spec: EdgeModelSpec) -> list[str]:
    return _used(REFUSED_IN_MODEL, spec)


def ignored_in_model(spec: EdgeModelSpec) -> list[str]:
    return _used(IGNORED_IN_MODEL, spec)


def ignored_in_deployment(spec: EdgeDeploymentSpec) -> list[str]:
    return _used(IGNORED_IN_DEPLOYMENT, spec)


REFUSAL = "this version cannot do it and will not serve without it"
REMARK = "not acted on by this version"
