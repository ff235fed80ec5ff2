"""Fleets told by the state of their devices, and what the verdict says of them."""

from __future__ import annotations

from typing import Any

from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.core.conditions import Verdict
from edgewise.core.deployment.course import Course
from edgewise.core.deployment.images import Images
from edgewise.core.deployment.verdict import judge
from edgewise.core.deployment.view import View
from edgewise.core.placement import Placed
from edgewise.core.progress import NodeProgress, State
from tests.unit.core.builders import NOW, model, observed, released

A, B = released(model()), released(model(version="2.0.0"))


def device(name: str, state: State, **rest: Any) -> NodeProgress:
    return NodeProgress(name, "cpu", state, ready=state == "updated", **rest)


def devices(**counts: int) -> list[NodeProgress]:
    """So many devices in each state."""
    return [device(f"{state}-{i}", state) for state, count in counts.items() for i in range(count)]  # type: ignore[arg-type]


def fleet(*of: NodeProgress, stable: Any = A, gone: tuple[str, ...] = (), **placed: Any) -> View:
    """Devices on the way to B."""
    where = Placed(**{"nodes": {one.name: one.profile for one in of}, "matching": {"cpu": len(of)}, **placed})
    return View(Course(B, stable, gone), (), Images(), ("cpu",), where, tuple(of))


def said(view: View, of: EdgeDeployment | None = None, now: float = NOW, **more: Any) -> Verdict:
    return judge(observed(of, **more), view, now)


def seen(found: Verdict) -> tuple[str, str, str]:
    """Ready's status and reason, and what it comes with."""
    return found.ready, found.finding.reason, "Stalled" * found.stalled + "Reconciling" * found.reconciling
