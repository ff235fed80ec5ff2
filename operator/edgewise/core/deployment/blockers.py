"""What stops a deployment before anything is changed: an ordered list of checks; the first finding is Ready's reason.

A blocked deployment keeps every child it has: what served before keeps serving.
"""

from __future__ import annotations

from collections.abc import Callable

from edgewise.api.confidence import measured_by
from edgewise.api.names import Reason
from edgewise.contract import chains
from edgewise.core.children import storage
from edgewise.core.deployment.course import course_of
from edgewise.core.model import barred
from edgewise.core.observed import ObservedDeployment
from edgewise.core.outcome import Finding
from edgewise.core.release import known

Check = Callable[[ObservedDeployment], Finding | None]


def first(observed: ObservedDeployment) -> Finding | None:
    return next((finding for check in CHECKS if (finding := check(observed)) is not None), None)


def image_is_not_allowed(observed: ObservedDeployment) -> Finding | None:
    image, allowed = observed.deployment.spec.serving.image, observed.settings.allowed_images
    if not image or not allowed or image.startswith(allowed):
        return None
    return Finding(
        Reason.NOT_ALLOWED,
        f"spec.serving.image {image} has none of the prefixes this cluster allows ({', '.join(allowed)}); "
        "choose another image, or ask the administrator to add its prefix to allowedImages",
    )


def cache_is_not_allowed(observed: ObservedDeployment) -> Finding | None:
    problem = storage.cache_problem(observed.deployment, observed.settings)
    return Finding(Reason.NOT_ALLOWED, problem) if problem else None


def files_are_not_allowed(observed: ObservedDeployment) -> Finding | None:
    for name in _followed(observed):
        model = observed.models.get(name)
        problem = storage.files_problem(observed.deployment, model.spec, observed.settings) if model else ""
        if problem:
            return Finding(Reason.NOT_ALLOWED, f"EdgeModel {name}: {problem}")
    return None


def profile_in_use_cannot_be_read(observed: ObservedDeployment) -> Finding | None:
    """Taking it for deleted would take its devices away."""
    for name in sorted(workload.profile for workload in observed.workloads):
        if name in observed.invalid_profiles:
            error = observed.invalid_profiles[name]
            return Finding(
                Reason.PROFILE_INVALID,
                f"DeviceProfile {name}, which serves here, cannot be read: {error}. "
                "Correct it, or align operator and CRDs",
            )
    return None


def pinned_release_is_unknown(observed: ObservedDeployment) -> Finding | None:
    pin, there = observed.deployment.spec.release, sorted(known(observed.releases))
    if not pin or pin in there:
        return None
    return Finding(
        Reason.RELEASE_NOT_FOUND,
        f"spec.release {pin} is not a known release (there: {', '.join(there) or 'none yet'}); "
        "name one of those, or leave it empty to follow the models",
    )


def model_is_missing(observed: ObservedDeployment) -> Finding | None:
    """One that was deleted is another matter where the release being served holds it: its snapshot serves on."""
    held = known(observed.releases).get(observed.plan.target) if observed.plan is not None else None
    there = {*observed.models, *observed.invalid_models, *(held.models if held is not None else ())}
    if missing := [name for name in _followed(observed) if name not in there]:
        return Finding(
            Reason.MODEL_NOT_FOUND,
            f"EdgeModel {', '.join(missing)} does not exist in namespace {observed.deployment.metadata.namespace} "
            f"(there: {', '.join(sorted(observed.models)) or 'none'}); create it, or correct spec.models",
        )
    return None


def model_cannot_be_read(observed: ObservedDeployment) -> Finding | None:
    for name in _followed(observed):
        if name in observed.invalid_models:
            error = observed.invalid_models[name]
            return Finding(Reason.MODEL_INVALID, f"EdgeModel {name} cannot be read: {error}. Correct it")
    return None


def model_is_below_its_barrier(observed: ObservedDeployment) -> Finding | None:
    for name in _followed(observed):
        model = observed.models.get(name)
        if model is not None and (problem := barred(model.spec)):
            return Finding(Reason.VERSION_TOO_OLD, f"EdgeModel {name}: {problem}")
    return None


def pipeline_does_not_fit(observed: ObservedDeployment) -> Finding | None:
    """Its steps and the models they run; a pinned release, or one whose models are gone, fitted when it was made."""
    names = _followed(observed)
    if not names or any(name not in observed.models for name in names):
        return None
    models = {name: observed.models[name].spec.processing for name in names}
    problem = chains.problem(observed.deployment.spec.pipeline, models)
    return Finding(Reason.INVALID_SPEC, problem) if problem else None


def confidence_cannot_be_judged(observed: ObservedDeployment) -> Finding | None:
    gates, names = observed.deployment.spec.rollout.gates, _followed(observed)
    if gates is None or gates.confidence_shift is None or any(name not in observed.models for name in names):
        return None
    models = {name: observed.models[name].spec for name in names}
    if not models or any(measured_by(model.task, model.confidence) for model in models.values()):
        return None
    tasks = ", ".join(f"{name} (task {model.task})" for name, model in models.items())
    return Finding(
        Reason.INVALID_SPEC,
        f"spec.rollout.gates.confidenceShift: nobody can tell how sure {tasks} is; "
        "set spec.confidence in its EdgeModel, or remove the gate",
    )


def the_way_back_is_gone(observed: ObservedDeployment) -> Finding | None:
    """Waves and gates are asked for by somebody who wants one."""
    rollout, plan = observed.deployment.spec.rollout, observed.plan
    if not (rollout.waves or rollout.gates) or plan is None or plan.stable is None:
        return None
    if course_of(observed).stable is not None:
        return None
    return Finding(
        Reason.RELEASE_NOT_FOUND,
        f"the ControllerRevision of {plan.stable}, which the fleet would return to, is gone; set the model back to it, "
        "or take out rollout.waves and rollout.gates to go on without a way back",
    )


def _followed(observed: ObservedDeployment) -> list[str]:
    """Models whose present state counts: none while a release is pinned, which has all it needs in its snapshot."""
    spec = observed.deployment.spec
    return [] if spec.release else [reference.name for reference in spec.models]


CHECKS: tuple[Check, ...] = (
    image_is_not_allowed,  # the administrator's word
    cache_is_not_allowed,
    files_are_not_allowed,
    profile_in_use_cannot_be_read,
    pinned_release_is_unknown,
    model_is_missing,
    model_cannot_be_read,
    model_is_below_its_barrier,
    pipeline_does_not_fit,
    confidence_cannot_be_judged,
    the_way_back_is_gone,  # the last: there is a target when nothing else speaks
)
