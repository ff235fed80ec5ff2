"""Pod templates of a deployment: what each is made from, what the last good one was, and what change that is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.edgemodel import EdgeModelSpec
from edgewise.api.names import short_hash
from edgewise.contract.trust import POLICIES
from edgewise.core.children import podinputs, pods, secrets, storage, targets, trust
from edgewise.core.children.podinputs import PodInputs
from edgewise.core.deployment.course import by_waves, rejected
from edgewise.core.deployment.podchange import PodChange
from edgewise.core.deployment.view import Candidate, View
from edgewise.core.observed import ObservedDeployment, Workload
from edgewise.core.release import canonical


def pod_change(observed: ObservedDeployment, seen: View) -> PodChange:
    """For every profile that needs a workload. Where waves or gates are asked for, a template other than the last good
    one goes by them; else it is good by being there."""
    present = {workload.profile: workload for workload in observed.workloads}
    known = {name: found for name, one in present.items() if (found := podinputs.read(one.proven)) is not None}
    last = {name: _as_proven(one, known[name]) if name in known else one for name, one in present.items()}
    wanted = {c.name: _lasting(_needed(observed, seen, c), last.get(c.name)) for c in seen.hosting}
    if not by_waves(observed, seen.course):
        return PodChange(wanted, wanted)
    proven = {name: known.get(name, made) for name, made in wanted.items()}
    change = PodChange(wanted, proven, _name(wanted, proven))
    if change.name and change.name in rejected(observed):
        return PodChange(proven, proven, refused=change.name)
    asked = {c.name: _without_target(observed, seen, c, last) for c in seen.hosting if c.name in change.profiles}
    own = any(made is not None and made.hash != proven[name].hash for name, made in asked.items())
    return replace(change, of_release=not (seen.settled or own))


def _name(wanted: Mapping[str, PodInputs], proven: Mapping[str, PodInputs]) -> str:
    """Of a change: for people to refer to."""
    changed = {name: made.hash for name, made in wanted.items() if made.hash != proven[name].hash}
    return f"pods-{short_hash(canonical(changed), 8)}" if changed else ""


def _without_target(
    observed: ObservedDeployment, seen: View, candidate: Candidate, last: Mapping[str, Workload]
) -> PodInputs | None:
    """What the template would be made from without the release that is on its way; None: there would be none."""
    if seen.stable is None or candidate.incumbent is None:
        return None
    without = replace(seen, course=replace(seen.course, target=seen.stable))
    needed = _needed(observed, without, replace(candidate, fit=candidate.incumbent))
    return _lasting(needed, last.get(candidate.name))


def _as_proven(present: Workload, good: PodInputs) -> Workload:
    """As it was when its template was the last good one."""
    disks = good.serving.get("storage", {})
    return replace(
        present,
        template=good.hash,
        memory=good.memory,
        secrets=good.secrets,
        files=disks.get("files", ""),
        claims=tuple(disks.get("claims", ())),
        trust=POLICIES.validate_python(good.serving.get("trust", {})),
    )


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
