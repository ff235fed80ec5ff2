"""From which release to which: what the spec asks for, unless it was rejected, and what is on record as stable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgewise.core import release
from edgewise.core.observed import ObservedDeployment
from edgewise.core.release import Release


@dataclass(frozen=True)
class Course:
    """Of one deployment, at one look."""

    target: Release
    """What the fleet goes to, or serves: the stable release where the one that is wanted was rejected."""
    stable: Release | None
    """None until a first release was promoted."""
    gone: tuple[str, ...]
    """EdgeModels of the target that no longer exist: the snapshot serves on."""
    refused: str = ""
    """The release that is wanted and was rejected; empty: it was not."""

    @property
    def settled(self) -> bool:
        return self.stable is not None and self.stable.name == self.target.name


def course_of(observed: ObservedDeployment) -> Course:
    """None of the blockers holds, so there is a target."""
    known = release.known(observed.releases)
    wanted, gone = _wanted(observed, known)
    recorded = observed.deployment.status.release
    name = observed.plan.stable if observed.plan is not None else (recorded.stable if recorded else None)
    found = wanted if name == wanted.name else known.get(name or "")
    stable = release.refreshed(found, observed.models) if found is not None else None
    if stable is not None and stable.name != wanted.name and wanted.name in rejected(observed):
        return Course(stable, stable, gone, wanted.name)
    return Course(wanted, stable, gone)


def by_waves(observed: ObservedDeployment, course: Course) -> bool:
    """Whether waves and gates have a say: of nodes, and where somebody asks for them and there is a way back."""
    rollout = observed.deployment.spec.rollout
    asked = bool(rollout.waves) or rollout.gates is not None
    return asked and observed.deployment.spec.placement.mode == "PerNode" and bool(course.stable)


def goes_in_waves(observed: ObservedDeployment, course: Course) -> bool:
    """Whether a release is on its way by them."""
    return by_waves(observed, course) and not course.settled


def rejected(observed: ObservedDeployment) -> tuple[str, ...]:
    """Releases on record as bad, the oldest first, but the one that a person has just forgiven."""
    recorded = observed.deployment.status.release
    names = (recorded.rejected or ()) if recorded is not None else ()
    return tuple(name for name in names if name != _forgiven(observed))


def _forgiven(observed: ObservedDeployment) -> str:
    """spec.rollout.retry counts once: where it stays in Git, a release that fails again stays rejected."""
    asked, recorded = observed.deployment.spec.rollout.retry, observed.deployment.status.release
    return "" if recorded is not None and recorded.retried == asked else asked


def _wanted(observed: ObservedDeployment, known: Mapping[str, Release]) -> tuple[Release, tuple[str, ...]]:
    """The pinned release; else the one today's models make; else (a model is gone) the one being served."""
    spec = observed.deployment.spec
    names = [reference.name for reference in spec.models]
    gone = () if spec.release else tuple(name for name in names if name not in observed.models)
    if spec.release:
        return release.refreshed(known[spec.release], observed.models), gone
    if gone and observed.plan is not None:
        return release.refreshed(known[observed.plan.target], observed.models), gone
    return release.make({name: observed.models[name].spec for name in names}, spec.pipeline), gone
