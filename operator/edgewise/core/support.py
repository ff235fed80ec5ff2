"""Fields the API already takes and this version does not act on: named in Ready's message.

Each entry is a path with what an unset value looks like; when a field becomes real, its line goes away.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgewise.api.edgedeployment import EdgeDeploymentSpec

Used = Callable[[Any], bool]


def _in_replicas(spec: EdgeDeploymentSpec) -> bool:
    return spec.placement.mode == "Replicas"


IGNORED_IN_DEPLOYMENT: dict[str, Used] = {
    "spec.rollout.waves in placement.mode Replicas": lambda spec: bool(spec.rollout.waves) and _in_replicas(spec),
    "spec.rollout.gates in placement.mode Replicas": lambda spec: spec.rollout.gates is not None and _in_replicas(spec),
}


def ignored_in_deployment(spec: EdgeDeploymentSpec) -> list[str]:
    return [path for path, used in IGNORED_IN_DEPLOYMENT.items() if used(spec)]


REMARK = "not acted on by this version"
