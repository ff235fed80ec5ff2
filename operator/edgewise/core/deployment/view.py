"""Who serves what where: releases, what each profile can do with them, the place and the progress of each device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgewise.api.deviceprofile import DeviceProfile
from edgewise.core import measured, placement, release
from edgewise.core.children import pods
from edgewise.core.deployment.images import Images, flavour, images
from edgewise.core.matching import Fit, fit, rank
from edgewise.core.measured import Records
from edgewise.core.observed import ObservedDeployment
from edgewise.core.placement import Offer, Placed
from edgewise.core.progress import Goal, NodeProgress, progress, replicas_progress
from edgewise.core.release import Release


@dataclass(frozen=True)
class Candidate:
    """A profile the deployment allows, and what it can do."""

    profile: DeviceProfile
    image: str
    """Of the runtime; empty: the operator has none for it."""
    fit: Fit
    """Of the target release."""
    incumbent: Fit | None
    """Of the stable release, as its devices serve it now; None: not at all."""

    @property
    def name(self) -> str:
        return self.profile.metadata.name

    @property
    def refusal(self) -> str:
        """Why it cannot run the target, in one line; empty when it can."""
        if self.fit.fits and not self.image:
            kind = flavour(self.profile)
            return f"the operator has no runtime image {kind!r}; set runtimeImages.{kind} in the chart"
        return ", ".join(self.fit.reasons)

    @property
    def memory(self) -> int:
        """Bytes of models that a pod there must hold at most."""
        fits = [fit for fit in (self.fit, self.incumbent) if fit is not None and fit.fits]
        return max((fit.memory for fit in fits), default=0)


@dataclass(frozen=True)
class Course:
    """From which release to which."""

    target: Release
    stable: Release | None
    """None until a first release was promoted."""
    gone: tuple[str, ...]
    """EdgeModels of the target that no longer exist: the snapshot serves on."""

    @property
    def settled(self) -> bool:
        return self.stable is not None and self.stable.name == self.target.name


@dataclass(frozen=True)
class View:
    """What the verdict and the children are made from."""

    course: Course
    candidates: tuple[Candidate, ...]
    """Best first."""
    images: Images
    order: tuple[str, ...]
    """Profiles in the order in which nodes take them."""
    placed: Placed
    devices: tuple[NodeProgress, ...]
    """Those that shall serve the target."""
    measured: Records = field(default_factory=dict)
    """How fast builds are, by profile."""

    @property
    def target(self) -> Release:
        return self.course.target

    @property
    def stable(self) -> Release | None:
        return self.course.stable

    @property
    def settled(self) -> bool:
        return self.course.settled

    @property
    def reachable(self) -> list[NodeProgress]:
        return [device for device in self.devices if device.state != "offline"]

    @property
    def off(self) -> list[NodeProgress]:
        """Reachable devices that do not serve the target."""
        return [device for device in self.reachable if device.state != "updated"]

    @property
    def arrived(self) -> bool:
        """Every reachable device serves the target, and there is one (or none is wanted)."""
        return not self.off and bool(self.reachable or not self.devices)

    @property
    def promoted(self) -> bool:
        """The target is, or from now on becomes, the stable release: all have arrived, and nobody needs the old one."""
        return self.settled or (self.arrived and not self.placed.kept)

    @property
    def hosting(self) -> list[Candidate]:
        """Profiles that need a workload."""
        return [candidate for candidate in self.candidates if candidate.name in self.placed.hosting]

    def count(self, *states: str) -> int:
        return sum(device.state in states for device in self.devices)

    def better(self, profile: str) -> tuple[str, ...]:
        """Profiles that nodes take before this one."""
        return self.order[: self.order.index(profile)]


def view(observed: ObservedDeployment) -> View:
    """None of the blockers holds, so there is a target."""
    course = _course(observed)
    allowed = set(observed.deployment.spec.placement.profiles)
    profiles = sorted((p for p in observed.profiles if not allowed or p.metadata.name in allowed), key=rank)
    found = images(observed, profiles)
    known = measured.records(observed)
    candidates = tuple(_candidate(observed, course, profile, found, known) for profile in profiles)
    offers = _offers(observed, course, candidates)
    placed = placement.place(observed.nodes, offers, observed.deployment.spec.placement)
    order = tuple(offer.name for offer in placement.order(offers))
    return View(course, candidates, found, order, placed, _devices(observed, placed, course), known)


def _course(observed: ObservedDeployment) -> Course:
    known = release.known(observed.releases)
    target, gone = _target(observed, known)
    recorded = observed.deployment.status.release
    name = observed.plan.stable if observed.plan is not None else (recorded.stable if recorded else None)
    found = target if name == target.name else known.get(name or "")
    return Course(target, release.refreshed(found, observed.models) if found is not None else None, gone)


def _target(observed: ObservedDeployment, known: Mapping[str, Release]) -> tuple[Release, tuple[str, ...]]:
    """The pinned release; else the one today's models make; else (a model is gone) the one being served."""
    spec = observed.deployment.spec
    names = [reference.name for reference in spec.models]
    gone = () if spec.release else tuple(name for name in names if name not in observed.models)
    if spec.release:
        return release.refreshed(known[spec.release], observed.models), gone
    if gone and observed.plan is not None:
        return release.refreshed(known[observed.plan.target], observed.models), gone
    return release.make({name: observed.models[name].spec for name in names}, spec.pipeline), gone


def _candidate(
    observed: ObservedDeployment, course: Course, profile: DeviceProfile, found: Images, known: Records
) -> Candidate:
    name, requirements = profile.metadata.name, observed.deployment.spec.requirements
    latency_of = measured.latency_of(known, name)
    incumbent = None
    if course.stable is not None:
        judged = fit(profile, course.stable.models, requirements, latency_of)
        incumbent = _served(observed, course.stable, profile) or judged
    return Candidate(
        profile,
        found.used.get(name, ""),
        fit(profile, course.target.models, requirements, latency_of),
        incumbent if incumbent is not None and incumbent.fits else None,
    )


def _served(observed: ObservedDeployment, stable: Release, profile: DeviceProfile) -> Fit | None:
    """The builds that the present plan gives to its devices: what serves is not judged anew by changed requirements."""
    name = profile.metadata.name
    if observed.plan is None or name not in observed.plan.profiles:
        return None
    chosen = observed.plan.profiles[name].variants.get(stable.name, {})
    builds = {model: {variant.name: variant for variant in spec.variants} for model, spec in stable.models.items()}
    if any(chosen.get(model) not in variants for model, variants in builds.items()):
        return None
    return Fit(name, {model: variants[chosen[model]] for model, variants in builds.items()})


def _offers(observed: ObservedDeployment, course: Course, candidates: tuple[Candidate, ...]) -> list[Offer]:
    """One a profile; of those that placement.profiles leaves out, only so that a node can say why it stays empty."""
    mine = {candidate.name: _offer(observed, course, candidate) for candidate in candidates}
    others = (profile for profile in observed.profiles if profile.metadata.name not in mine)
    return [*mine.values(), *(Offer(profile, "not among placement.profiles") for profile in others)]


def _offer(observed: ObservedDeployment, course: Course, candidate: Candidate) -> Offer:
    keeps = course.stable.name if course.stable and candidate.incumbent and candidate.image else ""
    memory = pods.requested(observed.deployment, candidate.profile, candidate.memory)
    return Offer(candidate.profile, candidate.refusal, memory, keeps)


def _devices(observed: ObservedDeployment, placed: Placed, course: Course) -> tuple[NodeProgress, ...]:
    goal = Goal(course.target.name, course.settled)
    if observed.deployment.spec.placement.mode == "Replicas":
        return replicas_progress(observed, goal)
    return progress(observed, placed.nodes, goal)
