"""View and verdict turned into writes: children, plan, status, pods to replace, devices to poke."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from edgewise.contract.plan import Plan as DevicePlan
from edgewise.core import conditions, placement
from edgewise.core.children import plans, revisions, services, workloads
from edgewise.core.children.pods import PodInputs
from edgewise.core.conditions import Verdict
from edgewise.core.deployment import blockers, templates
from edgewise.core.deployment.deviceplan import device_plan
from edgewise.core.deployment.relief import Relief, relief
from edgewise.core.deployment.rollout import stage
from edgewise.core.deployment.status import status
from edgewise.core.deployment.verdict import judge
from edgewise.core.deployment.view import View, view
from edgewise.core.observed import ObjectRef, ObservedDeployment, Pod
from edgewise.core.outcome import Finding, Manifest, Plan, Poke
from edgewise.core.progress import behind, gateways_behind
from edgewise.core.returned import returned, to_ask

HISTORY = 10
"""Releases kept, those in use among them."""
LOOK_AGAIN = 5.0
"""Seconds until the next look while something is on its way; changes come as events long before."""
AT_LEAST = 0.2
"""Seconds until the next look, however soon something is due."""


def decide(observed: ObservedDeployment, now: float) -> Plan:
    observed = replace(observed, returned=returned(observed, now))
    if (finding := blockers.first(observed)) is not None:
        return _left_alone(observed, None, conditions.stalled(finding.reason, finding.message), now)
    seen = view(observed)
    seen = replace(seen, stage=stage(observed, seen, now))
    verdict = judge(observed, seen.promoting, now)
    if not seen.placed.hosting:
        return _left_alone(observed, seen, verdict, now)
    return _carried_on(observed, seen, verdict, now)


def _left_alone(observed: ObservedDeployment, seen: View | None, verdict: Verdict, now: float) -> Plan:
    """Nothing but the word: what served before keeps serving, and where it cannot, the gateway takes over all the same.
    Without a view the rest of the status stays, too."""
    said = observed.deployment.status if seen is None else status(observed, seen, observed.plan)
    stand_in = relief(observed, None, now)
    moved = stand_in.turn.serving is not observed.gateway.serving
    writes = Plan(
        apply=(services.cluster_service(observed.deployment, stand_in.turn.serving),) if moved else (),
        status=stand_in.told_in(said).wire(),
        events=stand_in.events,
        requeue_after=stand_in.turn.wait,
    )
    return _spoken(observed, writes, stand_in.remarked(verdict), now)


def _carried_on(observed: ObservedDeployment, seen: View, verdict: Verdict, now: float) -> Plan:
    plan = device_plan(observed, seen)
    inputs, stand_in = templates.made_from(observed, seen), relief(observed, seen, now)
    children = _children(observed, seen, plan, inputs, stand_in)
    replaced = templates.due(observed, seen, inputs)
    late = [*behind(observed, plan.sequence, seen.settled), *gateways_behind(observed, plan.sequence)]
    named = {pod.uid for pod in late}
    away = [pod for pod in to_ask(observed) if pod.uid not in named]  # one poke a pod
    verdict = _with_outdated(observed, verdict, templates.outdated(observed, seen, inputs))
    busy = verdict.reconciling or late or away or replaced or seen.stage.word is not None
    writes = Plan(
        apply=tuple(children),
        status=stand_in.told_in(status(observed, seen, plan)).wire(),
        events=stand_in.events,
        prune=tuple(_unplanned(observed, children, seen)) if observed.complete else (),
        delete=tuple(_reference(pod) for pod in replaced),
        pokes=(*_pokes(late, insist=True), *_pokes(away, insist=False)),
        requeue_after=_sooner(_look_again(seen, now) if busy else None, stand_in.turn.wait),
    )
    return _spoken(observed, writes, stand_in.remarked(verdict), now)


def _spoken(observed: ObservedDeployment, plan: Plan, verdict: Verdict, now: float) -> Plan:
    """The plan with the verdict in status and events."""
    generation, old = observed.deployment.metadata.generation, observed.deployment.status.conditions
    moved = [condition.wire() for condition in conditions.moved(old, verdict, generation, now)]
    said = {**(plan.status or {}), "observedGeneration": generation, "conditions": moved}
    return replace(plan, status=said, events=(*conditions.events(old, verdict), *plan.events))


def _with_outdated(observed: ObservedDeployment, verdict: Verdict, outdated: list[Pod]) -> Verdict:
    """A deployment whose pods are being replaced is Ready, and at work."""
    if not outdated or verdict.ready != "True":
        return verdict
    paused = observed.deployment.spec.rollout.paused
    how = "waits for spec.rollout.paused" if paused else "is being replaced"
    text = f"{verdict.finding.message}; of an older pod template, which {how}: {len(outdated)}"
    return replace(verdict, finding=Finding(verdict.finding.reason, text), reconciling=not paused)


def _children(
    observed: ObservedDeployment, seen: View, plan: DevicePlan, inputs: Mapping[str, PodInputs], stand_in: Relief
) -> list[Manifest]:
    """In the order in which one needs the other: the snapshot, the plan that names it, the pods that read the plan."""
    deployment = observed.deployment
    children = [services.cluster_service(deployment, stand_in.turn.serving), services.local_service(deployment)]
    recorded = {snapshot.ref.name for snapshot in observed.releases}
    if revisions.release_name(deployment.metadata.name, seen.target.name) not in recorded:
        children.append(revisions.release(deployment, seen.target, revisions.next_number(observed.releases)))
    children += [plans.config_map(deployment, plan), *_workloads(observed, seen, inputs)]
    return [*children, stand_in.workload] if stand_in.workload is not None else children


def _workloads(observed: ObservedDeployment, seen: View, inputs: Mapping[str, PodInputs]) -> Iterable[Manifest]:
    deployment, where = observed.deployment, observed.deployment.spec.placement
    counts = {c.name: len(seen.placed.of(c.name)) for c in seen.hosting}
    shares = placement.share(where.replicas, counts if seen.placed.nodes else dict.fromkeys(counts, 1))
    for candidate in seen.hosting:
        name, profile = candidate.name, candidate.profile
        affinity = placement.affinity(name, seen.better(name), where)
        if where.mode == "PerNode":
            yield workloads.daemon_set(deployment, profile, inputs[name], affinity)
        else:
            yield workloads.replicated(deployment, profile, inputs[name], affinity, shares[name])


def _unplanned(observed: ObservedDeployment, children: list[Manifest], seen: View) -> list[ObjectRef]:
    """Owned children no longer wanted: everything unplanned but releases, which have a history."""
    planned = {(child["kind"], child["metadata"]["name"]) for child in children}
    others = [ref for ref in observed.children if ref.kind != "ControllerRevision"]
    unplanned = [ref for ref in others if (ref.kind, ref.name) not in planned]
    recorded = observed.deployment.status.release
    used = {seen.target.name, seen.stable.name if seen.stable else None, recorded.previous if recorded else None}
    used |= {seen.course.refused, *(kept.name for kept in seen.stage.kept)}
    keep = {revisions.release_name(observed.deployment.metadata.name, name) for name in used if name}
    return unplanned + revisions.outlived(observed.releases, keep, HISTORY)


def _pokes(pods: Iterable[Pod], insist: bool) -> Iterable[Poke]:
    return (Poke(pod.namespace, pod.name, pod.ip, insist) for pod in pods)


def _look_again(seen: View, now: float) -> float:
    """Seconds; sooner where a soak or a deadline ends before."""
    word = seen.stage.word
    until = word.until - now if word is not None and word.until is not None else LOOK_AGAIN
    return min(LOOK_AGAIN, max(until, AT_LEAST))


def _sooner(one: float | None, other: float | None) -> float | None:
    return min((wait for wait in (one, other) if wait is not None), default=None)


def _reference(pod: Pod) -> ObjectRef:
    return ObjectRef("v1", "Pod", pod.namespace, pod.name, pod.uid)
