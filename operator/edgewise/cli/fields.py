"""The fields a calibration sets: as YAML for whoever keeps manifests in Git, or written to the cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import yaml

from edgewise.api.names import API_VERSION
from edgewise.cli.asking import Cluster
from edgewise.core.outcome import Manifest

MANAGER = "edgewise-calibrate"


@dataclass(frozen=True)
class Place:
    """Which EdgeModel has the temperature, and which EdgeDeployment the threshold; empty: it asks nobody for help."""

    namespace: str
    model: str
    deployment: str


def fields(place: Place, temperature: float, below: float) -> list[Manifest]:
    """Only what changes, so that applying it takes nothing else over."""
    found = [_manifest("EdgeModel", place.model, place, {"confidence": {"temperature": f"{temperature:g}"}})]
    if place.deployment:
        escalation = {"when": {"confidenceBelow": f"{below:.6f}".rstrip("0").rstrip(".")}}
        found.append(_manifest("EdgeDeployment", place.deployment, place, {"escalation": escalation}))
    return found


def as_yaml(manifests: Sequence[Manifest]) -> str:
    return str(yaml.safe_dump_all(manifests, sort_keys=False))


def write(cluster: Cluster, manifests: Sequence[Manifest]) -> None:
    """All of them or none: each is tried dry first. AskingError where somebody else owns a field."""
    for dry in (True, False):
        for manifest in manifests:
            cluster.apply(manifest, MANAGER, dry)


def _manifest(kind: str, name: str, place: Place, spec: Manifest) -> Manifest:
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": name, "namespace": place.namespace},
        "spec": spec,
    }
