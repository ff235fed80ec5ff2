"""Who serves what where: releases, what each profile can do with them, the place and the progress of each device."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from edgewise.api.deviceprofile import DeviceProfile
from edgewise.core import measured, placement
from edgewise.core.children import pods
from edgewise.core.deployment.course import Course, course_of
from edgewise.core.deployment.images import Images, flavour, images
from edgewise.core.deployment.podchange import PodChange
from edgewise.core.deployment.stage import Stage
from edgewise.core.deployment.staying import hosts, staying
from edgewise.core.deployment.transit import Transit
from edgewise.core.matching import Fit, fit, rank
from edgewise.core.measured import Records
from edgewise.core.observed import ObservedDeployment
from edgewise.core.placement import Move, Offer, Placed
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
    templates: PodChange = field(default_factory=PodChange)
    """What becomes of the pods' templates."""
    stage: Stage = field(default_factory=Stage)
    """What the look at the rollout came to."""
    transit: Transit = field(default_factory=Transit)
    """What the look at moves between profiles came to."""

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
    def rolling(self) -> str:
        """Name of what is on its way: a release, or, where that is settled, changed pods; empty: neither."""
        return self.templates.name if self.settled else self.target.name

    @property
    def promoting(self) -> View:
        """The same as it is from now on: a release that is promoted now is the stable one."""
        if not self.stage.promoted or self.settled:
            return self
        return replace(self, course=replace(self.course, stable=self.target))

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
    def hosting(self) -> list[Candidate]:
        """Profiles that need a workload."""
        return [candidate for candidate in self.candidates if candidate.name in self.placed.hosting]

    def count(self, *states: str) -> int:
        return sum(device.state in states for device in self.devices)

    def better(self, profile: str) -> tuple[str, ...] | None:
        """Profiles that nodes take before this one; None: none takes it, but nodes may be held on it."""
        return self.order[: self.order.index(profile)] if profile in self.order else None


def view(observed: ObservedDeployment) -> View:
    """None of the blockers holds, so there is a target."""
    course = course_of(observed)
    allowed = set(observed.deployment.spec.placement.profiles)
    profiles = sorted((p for p in observed.profiles if not allowed or p.metadata.name in allowed), key=rank)
    found = images(observed, profiles)
    known = measured.records(observed)
    candidates = tuple(_candidate(observed, course, profile, found, known) for profile in profiles)
    offers = _offers(observed, course, candidates)
    wanted = placement.place(observed.nodes, offers, observed.deployment.spec.placement)
    placed = staying(observed, wanted, hosts(offers, (c.name for c in candidates if c.image)))
    order = tuple(offer.name for offer in placement.order(offers))
    return View(course, candidates, found, order, placed, _devices(observed, placed, course), known)


def _candidate(
    observed: ObservedDeployment, course: Course, profile: DeviceProfile, found: Images, known: Records
) -> Candidate:
    name, requirements = profile.metadata.name, observed.deployment.spec.requirements
    latency_of = measured.latency_of(known, name)
    incumbent = None
    if course.stable is not None:
        judged = fit(profile, course.stable.models, requirements, latency_of)
        incumbent = served(observed, course.stable, profile) or judged
    return Candidate(
        profile,
        found.used.get(name, ""),
        fit(profile, course.target.models, requirements, latency_of),
        incumbent if incumbent is not None and incumbent.fits else None,
    )


def served(observed: ObservedDeployment, release: Release, profile: DeviceProfile) -> Fit | None:
    """The builds of a release that the present plan gives to a profile's devices: what serves is not judged anew by
    changed requirements."""
    name = profile.metadata.name
    if observed.plan is None or name not in observed.plan.profiles:
        return None
    chosen = observed.plan.profiles[name].variants.get(release.name, {})
    builds = {model: {variant.name: variant for variant in spec.variants} for model, spec in release.models.items()}
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
    there = progress(observed, placed.nodes, goal)
    return there if course.settled else tuple(_until_moved(device, placed.moves.get(device.name)) for device in there)


def _until_moved(device: NodeProgress, move: Move | None) -> NodeProgress:
    """A device that moves for the target has not got it before it is there, whatever it serves now."""
    if move is None or device.state == "offline":
        return device
    going = f"it is to move from {move.source} to {move.goal}"
    return NodeProgress(device.name, device.profile, "working", device.ready, message=going)
