"""EdgeModel: every accepted spec becomes an immutable revision. Whether it fits anything is a deployment's question."""

from __future__ import annotations

from edgewise.api.edgemodel import EdgeModelStatus
from edgewise.api.names import Reason
from edgewise.core import conditions, support
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
    if refused := support.refused_in_model(spec):
        return conditions.stalled(Reason.NOT_SUPPORTED, f"{', '.join(refused)}: {support.REFUSAL}; remove it to serve")
    message = f"version {spec.version}, {len(spec.variants)} build{'s' if len(spec.variants) > 1 else ''}"
    if ignored := support.ignored_in_model(spec):
        return conditions.serving(Reason.FIELDS_NOT_ACTED_ON, f"{message}; {support.REMARK}: {', '.join(ignored)}")
    return conditions.serving(Reason.ACCEPTED, message)
