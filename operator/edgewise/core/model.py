"""EdgeModel: every accepted spec becomes an immutable revision. Whether it fits anything is a deployment's question."""

from __future__ import annotations

from edgewise.api.edgemodel import EdgeModelSpec, EdgeModelStatus
from edgewise.api.names import Reason
from edgewise.contract.trust import precedence
from edgewise.core import conditions
from edgewise.core.children import revisions
from edgewise.core.conditions import Verdict
from edgewise.core.observed import ObservedModel
from edgewise.core.outcome import Plan


def decide(observed: ObservedModel, now: float) -> Plan:
    """Keeps the revision in use and up to `revisionHistoryLimit` in all."""
    model = observed.model
    verdict = _verdict(observed)
    name = revisions.model_revision_name(model)
    known = name in {snapshot.ref.name for snapshot in observed.revisions}
    number = revisions.next_number(observed.revisions)
    apply = () if known or verdict.stalled else (revisions.model_revision(model, number),)
    limit = model.spec.revision_history_limit - len(apply)
    status = EdgeModelStatus(
        observed_generation=model.metadata.generation,
        conditions=conditions.moved(model.status.conditions, verdict, model.metadata.generation, now),
        revision=model.status.revision if verdict.stalled else name,
    )
    outlived = revisions.outlived(observed.revisions, {status.revision or name}, limit)
    return Plan(
        apply=apply,
        status=status.wire(),
        events=conditions.events(model.status.conditions, verdict),
        prune=tuple(outlived) if observed.complete else (),
    )


def _verdict(observed: ObservedModel) -> Verdict:
    spec = observed.model.spec
    if problem := barred(spec):
        return conditions.stalled(Reason.VERSION_TOO_OLD, problem)
    message = f"version {spec.version}, {len(spec.variants)} build{'s' if len(spec.variants) > 1 else ''}"
    if idle := _idle(spec):
        return conditions.serving(
            Reason.FIELDS_NOT_ACTED_ON, f"{message}; nobody looks at {' and '.join(idle)} without required: true"
        )
    return conditions.serving(Reason.ACCEPTED, message)


def _idle(spec: EdgeModelSpec) -> list[str]:
    """Barriers that somebody may think are kept."""
    asked = spec.verification
    if asked is None or asked.required:
        return []
    barriers = {"minVersion": asked.min_version, "notAfter": asked.not_after}
    return [f"spec.verification.{name}" for name, value in barriers.items() if value is not None]


def barred(spec: EdgeModelSpec) -> str:
    """Why no device would take this version, by what the EdgeModel itself says; empty: it is above its own barrier."""
    required = spec.verification is not None and spec.verification.required
    lowest = spec.verification.min_version if required and spec.verification else None
    if lowest is None or precedence(spec.version) >= precedence(lowest):
        return ""
    return (
        f"spec.version {spec.version} is below spec.verification.minVersion {lowest}, so that no device would take it; "
        "raise the one or lower the other"
    )
