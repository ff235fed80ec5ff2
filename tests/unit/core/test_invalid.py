from __future__ import annotations

from edgewise.api.base import Metadata, Status
from edgewise.core import invalid
from tests.unit.core.builders import NOW


def test_an_unreadable_object_says_so_and_keeps_its_children() -> None:
    plan = invalid.decide(Metadata(name="digits", generation=3), Status(), "spec.models: too many", NOW)
    assert (plan.apply, plan.prune, plan.delete) == ((), (), ())
    assert plan.status is not None
    assert plan.status["observedGeneration"] == 3
    assert [(one["type"], one["status"], one["reason"]) for one in plan.status["conditions"]] == [
        ("Ready", "False", "InvalidSpec"), ("Stalled", "True", "InvalidSpec"),
    ]  # fmt: skip
    assert plan.status["conditions"][0]["message"] == (
        "this operator cannot read the object: spec.models: too many. Correct the field, or align operator and CRDs."
    )
    assert [event.type for event in plan.events] == ["Warning"]
