"""The plan document of a deployment, and the ConfigMap that carries it to the devices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from edgewise.api.deviceprofile import DeviceProfile
from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.edgemodel import EdgeModelSpec, Variant, Verification
from edgewise.api.escalation import Spool
from edgewise.api.names import child_name
from edgewise.api.rollout import Window
from edgewise.api.units import quantity, seconds
from edgewise.contract.plan import (
    PLAN_KEY,
    Build,
    DeploymentRef,
    Plan,
    PlanEscalation,
    PlanGateway,
    PlanRelease,
    PlanReporting,
    PlanServing,
    PlanSpool,
    PlanVerification,
    PlanWindow,
    ProfilePlan,
    ReleaseModel,
    Switch,
)
from edgewise.core.children import gateway, targets, trust
from edgewise.core.children.meta import child, labelled
from edgewise.core.matching import Fit
from edgewise.core.observed import Settings
from edgewise.core.outcome import Manifest
from edgewise.core.release import Release

Fits = Mapping[str, Mapping[str, Fit]]
"""{release: {profile: fit}}: what the devices of each profile of the plan run."""


@dataclass(frozen=True)
class Intent:
    """What the devices shall do: from which release to which, by which builds, and who may go."""

    target: Release
    stable: Release | None
    switch: Switch
    fits: Fits
    addresses: Mapping[str, str] = field(default_factory=dict)
    """URL of each target that is an EdgeDeployment; without one it is left out."""
    rejected: tuple[str, ...] = ()
    """Releases that nobody shall serve."""
    kept: tuple[Release, ...] = ()
    """Earlier targets that some devices serve until it is their turn; see Switch.keep."""


def document(deployment: EdgeDeployment, settings: Settings, intent: Intent, profiles: Iterable[DeviceProfile]) -> Plan:
    """The plan for these profiles, not yet under its number (see `sequenced`)."""
    spec, meta, stable = deployment.spec, deployment.metadata, intent.stable
    held = (intent.target, stable, *intent.kept)
    releases = {release.name: release for release in held if release is not None}
    return Plan(
        deployment=DeploymentRef(namespace=meta.namespace, name=meta.name, uid=meta.uid),
        sequence=0,
        stable=stable.name if stable else None,
        target=intent.target.name,
        releases=[_release(release, intent.fits.get(release.name, {})) for release in releases.values()],
        profiles={profile.metadata.name: _profile(profile, intent.fits) for profile in profiles},
        switch=intent.switch,
        window=_window(spec.rollout.window) if spec.rollout.window else None,
        rejected=list(intent.rejected),
        retry=spec.rollout.retry,
        escalation=_escalation(deployment, intent.addresses),
        serving=PlanServing(
            max_queue=spec.serving.max_queue,
            batching=spec.serving.batching,
            switch=spec.serving.switch,
            max_latency=seconds(spec.requirements.max_latency) if spec.requirements.max_latency else None,
            cache_limit=int(quantity(spec.serving.cache.limit)),
            bandwidth=int(quantity(spec.rollout.bandwidth)) if spec.rollout.bandwidth else None,
            rate_limit=spec.serving.rate_limit,
        ),
        reporting=PlanReporting(
            url=settings.report_url,
            ca=settings.report_ca,
            interval_seconds=seconds(spec.reporting.interval),
            during_rollout_seconds=seconds(spec.reporting.during_rollout),
        ),
    )


def _release(release: Release, fits: Mapping[str, Fit]) -> PlanRelease:
    models = [_model(name, spec, fits) for name, spec in release.models.items()]
    return PlanRelease(name=release.name, models=models, pipeline=list(release.pipeline))


def _model(name: str, spec: EdgeModelSpec, fits: Mapping[str, Fit]) -> ReleaseModel:
    used = {fit.variants[name].name for fit in fits.values()}
    return ReleaseModel(
        name=name,
        version=spec.version,
        task=spec.task,
        confidence=spec.confidence,
        processing=spec.processing,
        self_test=spec.self_test,
        encryption=spec.encryption,
        verification=_verification(spec.verification) if trust.demanded(spec) and spec.verification else None,
        builds=[_build(variant) for variant in spec.variants if variant.name in used],
    )


def _verification(asked: Verification) -> PlanVerification:
    return PlanVerification(policy=trust.policy(asked), signature=asked.signature, manifest=asked.manifest)


def _build(variant: Variant) -> Build:
    return Build(
        variant=variant.name,
        format=variant.format,
        precision=variant.precision,
        source=variant.source,
        memory=int(quantity(variant.memory)),
        deltas=variant.deltas,
    )


def _window(asked: Window) -> PlanWindow:
    return PlanWindow(schedule=asked.schedule, duration_seconds=seconds(asked.duration), time_zone=asked.time_zone)


def _profile(profile: DeviceProfile, fits: Fits) -> ProfilePlan:
    runtime, name = profile.spec.runtime, profile.metadata.name
    return ProfilePlan(
        engine=runtime.engine,
        providers=runtime.providers,
        options=runtime.options,
        require_accelerator=runtime.require_accelerator,
        max_batch_size=profile.spec.limits.max_batch_size,
        variants={
            release: {model: variant.name for model, variant in by_profile[name].variants.items()}
            for release, by_profile in fits.items()
            if name in by_profile
        },
    )


def _escalation(deployment: EdgeDeployment, addresses: Mapping[str, str]) -> PlanEscalation | None:
    asked = deployment.spec.help
    if asked is None:
        return None
    wished = gateway.wished(deployment)
    return PlanEscalation(
        targets=[
            targets.planned(target, url)
            for target in asked.targets
            if (url := target.url or addresses.get(target.name))
        ],
        when=asked.when,
        timeout_seconds=seconds(asked.timeout),
        budget=asked.budget,
        gateway=PlanGateway(timeout_seconds=seconds(wished.timeout)) if wished else None,
        spool=_spool(asked.spool) if asked.spool else None,
    )


def _spool(asked: Spool) -> PlanSpool:
    return PlanSpool(
        max_bytes=int(quantity(asked.max_bytes)),
        max_age_seconds=seconds(asked.max_age),
        sink=asked.sink,
        sink_secret_ref=asked.sink_secret_ref,
        ca_secret_ref=asked.ca_secret_ref,
        bandwidth=int(quantity(asked.bandwidth)) if asked.bandwidth else None,
    )


def sequenced(wanted: Plan, present: Plan | None, seen: int) -> Plan:
    """The wanted plan under the right number: the present one's when nothing changed, else one that devices never saw.

    seen: the highest sequence on record (status), which outlives a deleted ConfigMap.
    """
    highest = max(seen, present.sequence if present is not None else 0)
    if present is not None and wanted.model_copy(update={"sequence": highest}) == present:
        return present
    return wanted.model_copy(update={"sequence": highest + 1})


def config_map(deployment: EdgeDeployment, plan: Plan) -> Manifest:
    name = child_name(deployment.metadata.name, "plan")
    manifest = labelled(child("v1", "ConfigMap", "EdgeDeployment", deployment.metadata, name), "plan")
    return {**manifest, "data": {PLAN_KEY: plan.model_dump_json(by_alias=True, exclude_none=True)}}
