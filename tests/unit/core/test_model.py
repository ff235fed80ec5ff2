from __future__ import annotations

from typing import Any

import pytest

from edgewise.api.edgemodel import EdgeModel
from edgewise.core.children import revisions
from edgewise.core.model import decide
from edgewise.core.observed import ObjectRef, ObservedModel, Snapshot
from edgewise.core.outcome import Plan
from tests.unit.core.builders import NAMESPACE, NOW, model, signed

BARRED: dict[str, Any] = {"verification": signed(minVersion="1.0.1")}


def kept(number: int, of: EdgeModel | None = None) -> Snapshot:
    name = revisions.model_revision_name(of) if of else f"digits-model-{number:010}"
    return Snapshot(ObjectRef("apps/v1", "ControllerRevision", NAMESPACE, name, f"uid-{number}", "1"), number)


def decided(of: EdgeModel, *present: Snapshot, complete: bool = True) -> Plan:
    return decide(ObservedModel(of, present, complete), NOW)


def ready(plan: Plan) -> tuple[Any, ...]:
    assert plan.status is not None
    condition = plan.status["conditions"][0]
    return condition["status"], condition["reason"], condition["message"]


def test_an_accepted_spec_becomes_a_revision_with_the_next_number() -> None:
    plan = decided(model(), kept(4), kept(7))
    (made,) = plan.apply
    assert (made["kind"], made["revision"], made["data"]) == ("ControllerRevision", 8, {"spec": model().spec.wire()})
    assert plan.status is not None
    assert plan.status["revision"] == made["metadata"]["name"] == revisions.model_revision_name(model())
    assert ready(plan) == ("True", "Accepted", "version 1.0.0, 1 build")
    assert [event.reason for event in plan.events] == ["Accepted"]


def test_a_spec_that_is_on_record_is_not_written_again() -> None:
    assert decided(model(), kept(1, model())).apply == ()


def test_a_second_look_says_the_same_and_writes_nothing() -> None:
    first = decided(model())
    again = EdgeModel.model_validate({**model().wire(), "status": first.status})
    second = decided(again, kept(1, model()))
    assert (second.status, second.apply, second.events) == (first.status, (), ())


def test_a_spec_that_must_not_be_served_makes_no_revision_and_leaves_the_last_one_in_force() -> None:
    before = EdgeModel.model_validate({**model(**BARRED).wire(), "status": {"revision": "digits-model-old"}})
    plan = decided(before)
    assert plan.apply == ()
    assert plan.status is not None
    assert plan.status["revision"] == "digits-model-old"
    assert ready(plan) == (
        "False", "VersionTooOld",
        "spec.version 1.0.0 is below spec.verification.minVersion 1.0.1, so that no device would take it; "
        "raise the one or lower the other",
    )  # fmt: skip


def test_barriers_without_effect_are_named() -> None:
    barriers = {"minVersion": "9.0.0", "notAfter": "2030-01-01T00:00:00Z"}
    assert ready(decided(model(verification=barriers))) == (
        "True", "FieldsNotActedOn",
        "version 1.0.0, 1 build; nobody looks at spec.verification.minVersion and spec.verification.notAfter without "
        "required: true",
    )  # fmt: skip


def test_a_version_at_its_own_barrier_is_accepted() -> None:
    assert ready(decided(model(verification=signed(minVersion="1.0.0"))))[:2] == ("True", "Accepted")


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        pytest.param([kept(1), kept(2)], [], id="as many as may be, the new one among them"),
        pytest.param([kept(3), kept(1), kept(2)], [1], id="the oldest goes"),
        pytest.param([kept(1), kept(2), kept(3), kept(4, model())], [1], id="the one in use counts"),
        pytest.param([kept(1, model()), kept(2), kept(3), kept(4)], [2], id="the one in use stays, however old"),
    ],
)
def test_old_revisions_go_beyond_the_limit(present: list[Snapshot], expected: list[int]) -> None:
    plan = decided(model(revisionHistoryLimit=3), *present)
    assert [ref.uid for ref in plan.prune] == [f"uid-{number}" for number in expected]


def test_the_last_accepted_revision_stays_while_the_spec_is_refused() -> None:
    refused = model(revisionHistoryLimit=1, **BARRED)
    in_force = kept(1)
    before = EdgeModel.model_validate({**refused.wire(), "status": {"revision": in_force.ref.name}})
    assert [ref.uid for ref in decided(before, in_force, kept(2)).prune] == ["uid-2"]


def test_nothing_goes_before_all_was_listed() -> None:
    assert decided(model(revisionHistoryLimit=1), kept(1), kept(2), complete=False).prune == ()
