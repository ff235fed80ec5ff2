"""Revisions and releases: what exactly is served, under a name made from its content.

A model's revision is the hash of what changes its answers: version, each variant's format, precision and sha256,
processing, encryption. Sources, mirrors, deltas, keys, accuracy, memory and confidence are attributes: taken over in
place, without a rollout. A release is the hash of a deployment's revisions and pipeline; its ControllerRevision holds
the full snapshot.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from edgewise.api.base import ON_RECORD, Model
from edgewise.api.edgemodel import EdgeModel, EdgeModelSpec, Verification
from edgewise.api.names import short_hash
from edgewise.api.pipeline import PipelineStep
from edgewise.core.observed import Snapshot

_Kind = TypeVar("_Kind", bound=Model)


def canonical(value: object) -> str:
    """JSON that is the same text for the same content."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def revision(spec: EdgeModelSpec) -> str:
    """Hash of what changes the model's answers."""
    return short_hash(
        canonical(
            {
                "version": spec.version,
                "variants": {v.name: [v.format, v.precision, v.source.sha256] for v in spec.variants},
                "processing": spec.processing.wire() if spec.processing else None,
                "encryption": spec.encryption.wire() if spec.encryption else None,
            }
        )
    )


@dataclass(frozen=True)
class Release:
    """A full snapshot of what one EdgeDeployment serves."""

    name: str
    models: Mapping[str, EdgeModelSpec]
    """In the order of spec.models."""
    pipeline: tuple[PipelineStep, ...] = ()

    @property
    def data(self) -> dict[str, Any]:
        """As it is kept in a ControllerRevision."""
        return {
            "name": self.name,
            "models": [{"name": name, "spec": spec.wire()} for name, spec in self.models.items()],
            "pipeline": [step.wire() for step in self.pipeline],
        }


def make(models: Mapping[str, EdgeModelSpec], pipeline: list[PipelineStep]) -> Release:
    """The release of these (one or more) models, named `<version of the first>-<hash>`: for people and for machines."""
    content = {
        "models": {name: revision(spec) for name, spec in models.items()},
        "pipeline": [step.wire() for step in pipeline],
    }
    first = next(iter(models.values()))
    return Release(f"{_readable(first.version)}-{short_hash(canonical(content), 8)}", models, tuple(pipeline))


def _readable(version: str) -> str:
    """As part of an object's name: lower case, and nowhere two separators in a row."""
    separated = re.sub("[^a-z0-9]+", lambda run: "." if run[0] == "." else "-", version.lower())
    return separated[:40].rstrip("-.")


def read(data: Mapping[str, Any]) -> Release | None:
    """A release from its ControllerRevision; None where somebody damaged it."""
    try:
        models = {str(entry["name"]): _kept(EdgeModelSpec, entry["spec"]) for entry in data["models"]}
        pipeline = tuple(_kept(PipelineStep, step) for step in data["pipeline"])
        return Release(str(data["name"]), models, pipeline) if models else None
    except (KeyError, TypeError, ValidationError):
        return None


def _kept(kind: type[_Kind], spec: object) -> _Kind:
    """As it was when it was accepted: a rule that came later must not take the stable release away."""
    return kind.model_validate(spec, context=ON_RECORD)


def known(snapshots: Iterable[Snapshot]) -> dict[str, Release]:
    """Releases on record, by name; damaged ones left out."""
    found = (read(snapshot.data) for snapshot in snapshots)
    return {release.name: release for release in found if release is not None}


def refreshed(release: Release, live: Mapping[str, EdgeModel]) -> Release:
    """The release with today's attributes (sources, accuracy, …) of every model that is still at the same revision, and
    of the others what they must show today: an old release is not served by the rules of its time."""
    models = {name: _today(spec, live[name].spec) if name in live else spec for name, spec in release.models.items()}
    return Release(release.name, models, release.pipeline)


def _today(then: EdgeModelSpec, now: EdgeModelSpec) -> EdgeModelSpec:
    if revision(now) == revision(then):
        return now
    policy = now.verification
    if policy is not None:
        own = then.verification or Verification()
        policy = policy.model_copy(update={"signature": own.signature, "manifest": own.manifest})
    return then.model_copy(update={"verification": policy})
