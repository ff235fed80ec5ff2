"""Pod templates of a deployment: what each is made from, and which pods of an older one are replaced now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.edgemodel import EdgeModelSpec
from edgewise.contract.trust import POLICIES
from edgewise.core.children import pods, secrets, storage, targets, trust
from edgewise.core.children.pods import PodInputs
from edgewise.core.deployment.verdict import allowance
from edgewise.core.deployment.view import Candidate, View
from edgewise.core.observed import ObservedDeployment, Pod, Workload


def made_from(observed: ObservedDeployment, seen: View) -> dict[str, PodInputs]:
    """Profile -> inputs of its pod template, for every profile that needs a workload."""
    present = {workload.profile: workload for workload in observed.workloads}
    return {c.name: _lasting(_needed(observed, seen, c), present.get(c.name)) for c in seen.hosting}


def _needed(observed: ObservedDeployment, seen: View, candidate: Candidate) -> PodInputs:
    served = [release for release in (seen.target, seen.stable) if release is not None]
    keys = [key for release in served for model in release.models.values() for key in _sources(model)]
    keys += [*_spool(observed.deployment), *targets.keys(observed.deployment)]
    made = pods.inputs(observed.deployment, candidate.profile, candidate.image, candidate.memory, keys)
    models = {name: model for release in reversed(served) for name, model in release.models.items()}
    specs = [model for release in served for model in release.models.values()]
    made = pods.with_storage(made, storage.wanted(observed.deployment, specs, observed.settings))
    return pods.demanding(made, trust.policies(models))


def _sources(model: EdgeModelSpec) -> Iterator[str]:
    """Keys of Secrets that fetching, judging and decrypting it takes."""
    for variant in model.variants:
        yield from secrets.keys_of(variant.source.secret_ref, secrets.CREDENTIALS)
        if any(uri.startswith("s3://") for uri in storage.located(model)):
            yield from secrets.keys_of(variant.source.secret_ref, secrets.S3)
        yield from secrets.keys_of(variant.source.ca_secret_ref)
    yield from trust.keys(model)
    yield from secrets.keys_of(model.encryption.key_secret_ref if model.encryption else None)


def _spool(deployment: EdgeDeployment) -> Iterator[str]:
    spool = pods.spooled(deployment)
    if spool is not None:
        signed = (spool.sink or "").startswith("s3://")
        yield from secrets.keys_of(spool.sink_secret_ref, secrets.S3 if signed else secrets.CREDENTIALS)
        yield from secrets.keys_of(spool.ca_secret_ref)


def _lasting(needed: PodInputs, present: Workload | None) -> PodInputs:
    """The present inputs where they are only roomier: to need less memory, a Secret or a public key less, replaces no
    pod."""
    if present is None or present.memory < needed.memory or not set(needed.secrets) <= set(present.secrets):
        return needed
    roomier = replace(needed, memory=present.memory, secrets=present.secrets)
    if disks := storage.lasting(needed.serving.get("storage", {}), present):
        roomier = replace(roomier, serving={**roomier.serving, "storage": disks})
    if demands := needed.serving.get("trust"):
        roomier = pods.demanding(roomier, trust.lasting(POLICIES.validate_python(demands), present.trust))
    return roomier if roomier.hash == present.template else needed


def outdated(observed: ObservedDeployment, seen: View, inputs: Mapping[str, PodInputs]) -> list[Pod]:
    """Pods of an older template that shall serve the target, those that do not serve first; on nodes whose kubelet
    can start a successor. One that is being deleted is still among them: a client's connection to it ends soon."""
    online = {node.name for node in observed.nodes if node.ready}
    return [
        pod
        for pod in sorted(observed.pods, key=lambda pod: (pod.ready, pod.node))
        if seen.placed.nodes.get(pod.node) == pod.profile
        and pod.template != inputs[pod.profile].hash
        and pod.node in online
    ]


def due(observed: ObservedDeployment, seen: View, inputs: Mapping[str, PodInputs]) -> list[Pod]:
    """Pods to delete now, for their DaemonSet to make anew from its template.

    Those that do not serve anyhow all at once; the others within what maxUnavailable leaves, and where a release that
    comes in waves is the reason (a bigger model), not before their wave. None before the DaemonSet has the template,
    and none while the rollout is paused.
    """
    where, rollout = observed.deployment.spec.placement, observed.deployment.spec.rollout
    if where.mode != "PerNode" or rollout.paused:
        return []
    current = {w.profile for w in observed.workloads if w.profile in inputs and w.template == inputs[w.profile].hash}
    ripe = [pod for pod in outdated(observed, seen, inputs) if pod.profile in current and not pod.deleting]
    answering = {pod.node for pod in observed.pods if pod.ready and not pod.deleting}
    away = sum(device.name not in answering for device in seen.reachable)
    room = max(0, allowance(seen, rollout.max_unavailable) - away)
    released = seen.stage.switch
    held = {c.name for c in seen.hosting if ripe and not released.all and _asked_by_target(observed, seen, c)}
    serving = [pod for pod in ripe if pod.ready and (pod.profile not in held or pod.node in released.nodes)]
    return [pod for pod in ripe if not pod.ready] + serving[:room]


def _asked_by_target(observed: ObservedDeployment, seen: View, candidate: Candidate) -> bool:
    """Whether the template would be another one without the release that is on its way."""
    if seen.stable is None or candidate.incumbent is None:
        return True
    without = replace(seen, course=replace(seen.course, target=seen.stable))
    needed = _needed(observed, without, replace(candidate, fit=candidate.incumbent))
    return needed.hash != _needed(observed, seen, candidate).hash
