"""What a decision gets to see of refused pods: as long as it is true."""

from __future__ import annotations

from typing import Any

import pytest

from edgewise.cluster.store import Store
from edgewise.controller.gather import Gatherer
from edgewise.controller.keys import Key
from edgewise.controller.reportbook import ReportBook
from edgewise.core.observed import Settings
from tests.unit import bodies

QUOTA = "Error creating: forbidden: exceeded quota"
WORKLOAD = "digits-generic-arm64"
BEFORE, AFTER = "2026-01-01T09:00:00Z", "2026-01-01T11:00:00Z"  # the pod is of 10:00

CASES: dict[str, tuple[list[dict[str, Any]], dict[str, str]]] = {
    "no pod was ever refused": ([bodies.pod()], {}),
    "no pod could be made": ([bodies.refusal(WORKLOAD, AFTER)], {WORKLOAD: QUOTA}),
    "a pod was made after the refusal": ([bodies.refusal(WORKLOAD, BEFORE), bodies.pod()], {}),
    "the next pod was refused": ([bodies.refusal(WORKLOAD, AFTER), bodies.pod()], {WORKLOAD: QUOTA}),
    "pods of another workload are refused": ([bodies.refusal("theirs", AFTER)], {}),
}


@pytest.mark.parametrize(("world", "refused"), CASES.values(), ids=CASES)
def test_refused(world: list[dict[str, Any]], refused: dict[str, str]) -> None:
    store = Store()
    for body in (bodies.deployment(), bodies.daemon_set(), *world):
        store.put(body)
    observed = Gatherer(store, ReportBook(), Settings).deployment(Key("EdgeDeployment", "edge", "digits"))
    assert observed is not None
    assert observed.refused == refused


def test_a_model_that_cannot_be_read_is_told_apart_from_one_that_is_not_there() -> None:
    store = Store()
    for body in (bodies.deployment(), bodies.model("good"), {**bodies.model("bad"), "spec": {"version": "two"}}):
        store.put(body)
    observed = Gatherer(store, ReportBook(), Settings).deployment(Key("EdgeDeployment", "edge", "digits"))
    assert observed is not None
    assert observed.models.keys() == {"good"}
    assert observed.invalid_models["bad"].startswith("spec.version: String should match pattern")
    assert not observed.complete, "nothing was listed yet"
