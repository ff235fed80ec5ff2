"""What one node shall serve, read out of a plan: a release, its builds for the node's profile, how to run them. Pure.

agent/switching.py moves towards a goal; the last one reached is kept on disk (agent/lastgood.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from edgewise.api.base import Model
from edgewise.api.confidence import Confidence, Task
from edgewise.api.deviceprofile import Engine
from edgewise.api.edgemodel import Attachment, Encryption, SelfTest, Source
from edgewise.api.names import short_hash
from edgewise.api.pipeline import PipelineStep
from edgewise.api.processing import Processing
from edgewise.contract.plan import Build, Plan, PlanRelease, PlanVerification, ReleaseModel


class GoalModel(Model):
    """One model, in the build that fits this node."""

    name: str
    version: str
    task: Task
    confidence: Confidence | None = None
    processing: Processing | None = None
    encryption: Encryption | None = None
    verification: PlanVerification | None = None
    self_test: SelfTest | None = None
    build: Build

    @property
    def golden(self) -> Source | None:
        """Where the self test's data are; None: there is no test, or its data are in it."""
        test = self.self_test
        if test is None or test.source is None or test.sha256 is None:
            return None
        return self.beside(Attachment(uri=test.source, sha256=test.sha256))

    @property
    def sources(self) -> list[Source]:
        """All its files: the model, what is to prove that it is the right one, and what it is tried with."""
        proof = self.verification
        proofs = [self.beside(one) for one in (proof.signature, proof.manifest) if one is not None] if proof else []
        return [self.build.source, *proofs, *([self.golden] if self.golden is not None else [])]

    def beside(self, small: Attachment) -> Source:
        """A file that belongs to the model, fetched as its build is."""
        return self.build.source.model_copy(update={**dict(small), "compressed": None})


class GoalPipeline(Model):
    """A chain of the goal's models, served as one more."""

    name: str
    steps: list[PipelineStep]


class Goal(Model):
    """A release as this node serves it. Equal goals need no work."""

    release: str
    engine: Engine
    providers: list[str]
    options: dict[str, str]
    require_accelerator: bool
    max_batch_size: int | None = None
    max_latency: float | None = None
    """Seconds a request should take at most: threads are chosen by it."""
    models: list[GoalModel]
    pipeline: GoalPipeline | None = None
    retried: bool = False
    """Somebody said that it shall be tried again."""

    @property
    def identity(self) -> str:
        """Changes with anything that could change whether the release works here: builds, sources, engine, options,
        what its self test asks; and when it shall be tried again."""
        return short_hash(self.model_dump_json(), 32)

    @property
    def untried(self) -> Goal:
        """The same, before anybody said that it shall be tried again."""
        return self.model_copy(update={"retried": False})

    def blobs(self) -> frozenset[str]:
        """sha256 of all its files."""
        return frozenset(source.sha256 for model in self.models for source in model.sources)


@dataclass(frozen=True)
class NoBuild:
    """This node cannot serve the release; it keeps what it serves."""

    release: str
    models: tuple[ReleaseModel, ...]
    message: str


def goal_of(plan: Plan, release: str, profile: str) -> Goal | NoBuild:
    """What serving `release` means on a node of `profile`."""
    snapshot = next((candidate for candidate in plan.releases if candidate.name == release), None)
    if snapshot is None:
        return NoBuild(release, (), f"the plan names release {release} but does not hold it")
    runtime = plan.profiles.get(profile)
    if runtime is None or release not in runtime.variants:
        message = f"release {release} has no build for profile {profile}; this node keeps what it serves"
        return NoBuild(release, tuple(snapshot.models), message)
    models = _models(snapshot, runtime.variants[release])
    if isinstance(models, str):
        return NoBuild(release, tuple(snapshot.models), f"release {release}: {models}; this node keeps what it serves")
    return Goal(
        release=release,
        engine=runtime.engine,
        providers=runtime.providers,
        options=runtime.options,
        require_accelerator=runtime.require_accelerator,
        max_batch_size=runtime.max_batch_size,
        max_latency=plan.serving.max_latency,
        models=models,
        pipeline=GoalPipeline(name=plan.deployment.name, steps=snapshot.pipeline) if snapshot.pipeline else None,
        retried=plan.retry == release,
    )


def _models(snapshot: PlanRelease, chosen: dict[str, str]) -> list[GoalModel] | str:
    """Every model of the release with its chosen build; or what is missing."""
    found = []
    for model in snapshot.models:
        build = next((build for build in model.builds if build.variant == chosen.get(model.name)), None)
        if build is None:
            return f"the plan chooses no build of model {model.name} that it holds"
        found.append(
            GoalModel(
                name=model.name,
                version=model.version,
                task=model.task,
                confidence=model.confidence,
                processing=model.processing,
                encryption=model.encryption,
                verification=model.verification,
                self_test=model.self_test,
                build=build,
            )
        )
    return found
