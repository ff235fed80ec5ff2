"""View and verdict turned into writes: children, plan, status, pods to replace, devices to poke."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from edgewise.api.names import Reason
from edgewise.contract.plan import Plan as DevicePlan
from edgewise.core import conditions, placement
from edgewise.core.children import plans, revisions, services, workloads
from edgewise.core.conditions import Verdict
from edgewise.core.deployment import blockers, replacing
from edgewise.core.deployment.availability import overlapping
from edgewise.core.deployment.deviceplan import device_plan
from edgewise.core.deployment.moves import transit
from edgewise.core.deployment.relief import Relief, relief
from edgewise.core.deployment.rollout import stage
from edgewise.core.deployment.status import status
from edgewise.core.deployment.templates import pod_change
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
    seen = replace(seen, templates=pod_change(observed, seen))
    seen = replace(seen, stage=stage(observed, seen, now))
    seen = replace(seen, transit=transit(observed, seen, now))
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
    stand_in = relief(observed, seen, now)
    children = _children(observed, seen, plan, stand_in)
    replaced = replacing.due(observed, seen, now)
    late = [*behind(observed, plan.sequence, seen.settled), *gateways_behind(observed, plan.sequence)]
    named = {pod.uid for pod in late}
    away = [pod for pod in to_ask(observed) if pod.uid not in named]  # one poke a pod
    verdict = _with_outdated(observed, seen, verdict, now)
    busy = verdict.reconciling or late or away or replaced or seen.stage.word is not None
    writes = Plan(
        apply=tuple(children),
        status=stand_in.told_in(status(observed, seen, plan)).wire(),
        events=stand_in.events,
        prune=tuple(_unplanned(observed, children, seen)) if observed.complete else (),
        delete=tuple(_reference(pod) for pod in replaced),
        pokes=(*_pokes(late, insist=True), *_pokes(away, insist=False)),
        hold=seen.transit.hold,
        let_go=seen.transit.let_go,
        requeue_after=_soonest(_look_again(seen, now) if busy else None, seen.transit.again, stand_in.turn.wait),
    )
    return _spoken(observed, writes, stand_in.remarked(verdict), now)


def _spoken(observed: ObservedDeployment, plan: Plan, verdict: Verdict, now: float) -> Plan:
    """The plan with the verdict in status and events."""
    generation, old = observed.deployment.metadata.generation, observed.deployment.status.conditions
    moved = [condition.wire() for condition in conditions.moved(old, verdict, generation, now)]
    said = {**(plan.status or {}), "observedGeneration": generation, "conditions": moved}
    return replace(plan, status=said, events=(*conditions.events(old, verdict), *plan.events))


def _with_outdated(observed: ObservedDeployment, seen: View, verdict: Verdict, now: float) -> Verdict:
    """A deployment whose pods are being replaced is Ready, and at work."""
    outdated, lacking = replacing.outdated(observed, seen), sorted(replacing.unpulled(observed, seen).items())
    if not (outdated or lacking) or verdict.ready != "True":
        return verdict
    reason, text, paused = verdict.finding.reason, verdict.finding.message, observed.deployment.spec.rollout.paused
    waits = "paused" if paused else "window" if replacing.the_window_is_shut(observed, seen, now) else ""
    how = f"waits for spec.rollout.{waits}" if waits else "is being replaced"
    if outdated:
        text += f"; of an older pod template, which {how}: {len(outdated)}"
    if lacking:
        reason, text = Reason.IMAGE_NOT_PULLED, f"{text}; {lacking[0][0]}: {lacking[0][1]}"
    return replace(verdict, finding=Finding(reason, text), reconciling=not paused)


def _children(observed: ObservedDeployment, seen: View, plan: DevicePlan, stand_in: Relief) -> list[Manifest]:
    """In the order in which one needs the other: the snapshot, the plan that names it, the pods that read the plan."""
    deployment = observed.deployment
    moving = seen.transit.again is not None or overlapping(observed)  # the last one's old pod answers on
    local = services.local_service(deployment, moving)
    children = [services.cluster_service(deployment, stand_in.turn.serving), local]
    recorded = {snapshot.ref.name for snapshot in observed.releases}
    if revisions.release_name(deployment.metadata.name, seen.target.name) not in recorded:
        children.append(revisions.release(deployment, seen.target, revisions.next_number(observed.releases)))
    told, pods = plans.config_map(deployment, plan), [*_workloads(observed, seen)]
    # What pods would go back to is on record before the plan forgets their waves, or they would begin anew.
    forgets = bool(seen.templates.name) and seen.stage.proved
    children += [*([*pods, told] if forgets else [told, *pods]), *replacing.pullers(observed, seen)]
    return [*children, stand_in.workload] if stand_in.workload is not None else children


def _workloads(observed: ObservedDeployment, seen: View) -> Iterable[Manifest]:
    deployment, where, change = observed.deployment, observed.deployment.spec.placement, seen.templates
    proven = change.wanted if seen.stage.proved else change.proven
    counts = {c.name: len(seen.placed.of(c.name)) for c in seen.hosting}
    shares = placement.share(where.replicas, counts if seen.placed.nodes else dict.fromkeys(counts, 1))
    for candidate in seen.hosting:
        name, profile = candidate.name, candidate.profile
        affinity = seen.transit.affinities.get(name)
        if affinity is None:
            continue
        if where.mode == "PerNode":
            yield workloads.daemon_set(deployment, profile, change.wanted[name], affinity, proven[name])
        else:
            yield workloads.replicated(deployment, profile, change.wanted[name], affinity, shares[name])


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


def _soonest(*waits: float | None) -> float | None:
    return min((wait for wait in waits if wait is not None), default=None)


def _reference(pod: Pod) -> ObjectRef:
    return ObjectRef("v1", "Pod", pod.namespace, pod.name, pod.uid)
