"""The status of an EdgeDeployment: what serves where, and why."""

from __future__ import annotations

from collections.abc import Iterator

from edgewise.api.edgedeployment import (
    EdgeDeploymentStatus,
    NodeCounts,
    PlanStatus,
    ProfileStatus,
    Unplaced,
)
from edgewise.api.names import HTTP_PORT, Reason
from edgewise.api.rollout import ReleaseStatus, Signer
from edgewise.contract.plan import Plan as DevicePlan
from edgewise.core import measured
from edgewise.core.children import access, services, workloads
from edgewise.core.deployment.view import Candidate, View
from edgewise.core.observed import ObservedDeployment
from edgewise.core.progress import UNPROVED, answering, behind
from edgewise.core.signers import signers

TEXT = 1024  # characters; the longest that api.base.Text takes
LISTED = 64  # profiles; their number in the status is bounded
UNPLACED = 10  # nodes told by name; the count is exact
MOVES = 16  # pairs of profiles


def status(observed: ObservedDeployment, seen: View, plan: DevicePlan | None) -> EdgeDeploymentStatus:
    """All but generation and conditions. plan: the one the devices have from now on; None: none yet."""
    meta, old = observed.deployment.metadata, observed.deployment.status
    local_ip = observed.cluster_ips.get(services.local_name(meta.name))
    scheme = access.scheme(observed.deployment)
    unplaced = sorted(seen.placed.unplaced.items())
    return EdgeDeploymentStatus(
        url=f"{scheme}://{meta.name}.{meta.namespace}.svc:{HTTP_PORT}" if plan is not None else None,
        local_url=f"{scheme}://{local_ip}:{HTTP_PORT}" if local_ip else old.local_url,
        release=_releases(observed, seen, plan),
        nodes=NodeCounts(
            matched=len(seen.devices),
            ready=sum(device.ready for device in seen.devices),
            updated=_updated(observed, seen),
            offline=seen.count("offline"),
            failed=seen.count("failed"),
            unplaced=len(unplaced),
        ),
        rollout=seen.stage.status,
        moves=list(seen.transit.moves[:MOVES]) or None,
        profiles=_profiles(observed, seen)[:LISTED] or None,
        unplaced=[Unplaced(node=node, reason=why[:TEXT]) for node, why in unplaced[:UNPLACED]] or None,
        plan=_plan(observed, seen, plan) if plan is not None else old.plan,
        images=(_images(seen) if seen.hosting else old.images) or None,
    )


def _plan(observed: ObservedDeployment, seen: View, plan: DevicePlan) -> PlanStatus:
    running, late = answering(observed), behind(observed, plan.sequence, seen.settled)
    return PlanStatus(sequence=plan.sequence, followed=len(running) - len(late))


def _updated(observed: ObservedDeployment, seen: View) -> int:
    """While the operator listens, a device that has not spoken lowers no count."""
    old, count = observed.deployment.status, seen.count("updated")
    same = old.release is not None and old.release.target == seen.target.name
    return max(count, old.nodes.updated) if seen.stage.listening and same and old.nodes is not None else count


def _releases(observed: ObservedDeployment, seen: View, plan: DevicePlan | None) -> ReleaseStatus | None:
    old = observed.deployment.status.release
    if plan is None:
        return old
    before = old or ReleaseStatus()
    moved = before.stable is not None and plan.stable is not None and before.stable != plan.stable
    return ReleaseStatus(
        stable=plan.stable,
        target=plan.target,
        previous=before.stable if moved else before.previous,
        rejected=list(seen.stage.rejected) or None,
        retried=observed.deployment.spec.rollout.retry or None,
        signers=_signers(observed, seen, before) or None,
    )


def _signers(observed: ObservedDeployment, seen: View, before: ReleaseStatus) -> list[Signer]:
    known = before.signers or () if before.target == seen.target.name else ()
    return signers((received.report for received in observed.reports.values()), seen.target, known)


def _images(seen: View) -> dict[str, str]:
    hosting = [candidate.name for candidate in seen.hosting[:LISTED]]
    return {name: seen.images.defaults[name] for name in hosting if name in seen.images.defaults}


def _profiles(observed: ObservedDeployment, seen: View) -> list[ProfileStatus]:
    """Every allowed profile that some selected node belongs to: the build it runs, or why it runs none."""
    shown = [_profile(observed, seen, c) for c in seen.candidates if c.name in seen.placed.matching]
    return sorted(shown, key=lambda profile: profile.name)


def _profile(observed: ObservedDeployment, seen: View, candidate: Candidate) -> ProfileStatus:
    name, hosting = candidate.name, candidate.name in seen.placed.hosting
    variants = ", ".join(f"{model}/{variant.name}" for model, variant in candidate.fit.variants.items())
    return ProfileStatus(
        name=name,
        variant=variants if not candidate.refusal else None,
        workload=workloads.name(observed.deployment.metadata.name, name) if hosting else None,
        nodes=len(seen.placed.of(name)),
        ready=sum(device.ready for device in seen.devices if device.profile == name),
        reason=_remark(observed, seen, candidate)[:TEXT],
        measured=measured.kept(seen.measured, name, _builds(seen))[:LISTED] or None,
    )


def _builds(seen: View) -> Iterator[tuple[str, str, str]]:
    """(model, variant, sha256) of the target's builds, then of the stable release's."""
    for release in (seen.target, seen.stable):
        for model, spec in release.models.items() if release is not None else ():
            for variant in spec.variants:
                yield model, variant.name, variant.source.sha256


_LACKING = frozenset({Reason.ACCESS_NOT_READY, Reason.TARGET_NOT_READY, *UNPROVED})  # a Secret is missing, mostly
_WAITING = frozenset({Reason.HELD, Reason.WINDOW_CLOSED})  # who is asked why a device is behind must be told by whom


def _remark(observed: ObservedDeployment, seen: View, candidate: Candidate) -> str:
    """What a person should know of it; empty when all is as wished."""
    name = candidate.name
    if candidate.refusal:
        return f"{Reason.NO_BUILD_IN_TARGET}: {candidate.refusal}" if candidate.incumbent else candidate.refusal
    if name not in seen.placed.hosting:
        return "its nodes take a better fitting profile, or have too little memory"
    devices = [device for device in seen.devices if device.profile == name]
    lacking = next((device for device in devices if device.reason in _LACKING | _WAITING), None)
    if lacking is not None:
        return f"{lacking.reason}: {lacking.name}: {lacking.message}"
    got = {device.provider for device in devices} - {""}
    if not got:  # the operator has just started: what the devices said before still stands
        before = observed.deployment.status.profiles or ()
        return next((profile.reason for profile in before if profile.name == name and profile.workload), "")
    wanted = next(iter(candidate.profile.spec.runtime.providers), "")
    others = sorted(got - {wanted})
    return f"runs on {', '.join(others)} instead of {wanted}" if wanted and others else ""
