"""Immutable snapshots as ControllerRevisions: a model's accepted spec, a deployment's release."""

from __future__ import annotations

from collections.abc import Iterable

from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.edgemodel import EdgeModel
from edgewise.api.names import child_name
from edgewise.core.children.meta import child, labelled
from edgewise.core.observed import ObjectRef, Snapshot
from edgewise.core.outcome import Manifest
from edgewise.core.release import Release, revision


def model_revision_name(model: EdgeModel) -> str:
    return child_name(model.metadata.name, f"model-{revision(model.spec)}", limit=253)


def model_revision(model: EdgeModel, number: int) -> Manifest:
    manifest = child("apps/v1", "ControllerRevision", "EdgeModel", model.metadata, model_revision_name(model))
    return {**labelled(manifest, "revision"), "data": {"spec": model.spec.wire()}, "revision": number}


def release_name(deployment: str, release: str) -> str:
    return child_name(deployment, f"release-{release}", limit=253)


def release(deployment: EdgeDeployment, content: Release, number: int) -> Manifest:
    name = release_name(deployment.metadata.name, content.name)
    manifest = child("apps/v1", "ControllerRevision", "EdgeDeployment", deployment.metadata, name)
    return {**labelled(manifest, "release"), "data": content.data, "revision": number}


def next_number(snapshots: Iterable[Snapshot]) -> int:
    return 1 + max((snapshot.number for snapshot in snapshots), default=0)


def outlived(snapshots: Iterable[Snapshot], keep: set[str], limit: int) -> list[ObjectRef]:
    """Snapshots beyond the limit, oldest first; never one whose name is in `keep`."""
    ordered = sorted(snapshots, key=lambda snapshot: snapshot.number)
    free = [snapshot.ref for snapshot in ordered if snapshot.ref.name not in keep]
    return free[: max(0, len(ordered) - limit)]
