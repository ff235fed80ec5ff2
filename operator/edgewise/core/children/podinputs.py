"""What a pod template is made from: its identity, and enough to make it again when the present one proves bad.

A DaemonSet keeps those of its last good template in an annotation (workloads.py): Kubernetes' own revisions of it would
forget them after two changes of an affinity. Read back by core/deployment/templates.py; see
docs/adr/20261122.template-rollouts.md.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from edgewise.api.access import Auth
from edgewise.api.base import ON_RECORD, ResourceRequirements, Toleration
from edgewise.api.deviceprofile import DeviceProfile, ProfilePod
from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.names import short_hash
from edgewise.core.release import canonical


@dataclass(frozen=True)
class PodInputs:
    """What a person decided about the pod.

    Its hash is the template's identity: a newer operator that renders the same inputs differently replaces no pod.
    """

    image: str
    memory: int
    """Bytes that there is room for twice, see pods.py; 0 where a person stated the pod's memory request."""
    secrets: tuple[str, ...]
    """Keys of them, as secrets.py writes them."""
    profile: dict[str, Any]
    serving: dict[str, Any]
    tolerations: tuple[dict[str, Any], ...]

    @cached_property
    def hash(self) -> str:
        """Worked out once: it is compared with that of each pod of the fleet."""
        return short_hash(canonical(asdict(self)))


def written(made_from: PodInputs) -> str:
    """As an annotation keeps it."""
    return canonical(asdict(made_from))


def read(text: str) -> PodInputs | None:
    """None: there is nothing, or somebody damaged it."""
    try:
        kept = json.loads(text)
        found = PodInputs(
            image=str(kept["image"]),
            memory=int(kept["memory"]),
            secrets=tuple(map(str, kept["secrets"])),
            profile=dict(kept["profile"]),
            serving=dict(kept["serving"]),
            tolerations=tuple(dict(one) for one in kept["tolerations"]),
        )
        _parsed(found)
    except (KeyError, TypeError, ValueError, ValidationError):
        return None
    return found


@dataclass(frozen=True)
class _Parsed:
    """The words of people among them."""

    pod: ProfilePod
    resources: ResourceRequirements | None
    auth: Auth | None
    tolerations: list[Toleration]


def as_of(
    made_from: PodInputs, deployment: EdgeDeployment, profile: DeviceProfile
) -> tuple[EdgeDeployment, DeviceProfile]:
    """Both as they were when this was decided, as far as the pod is concerned; as they are where it was decided now."""
    then, spec = _parsed(made_from), deployment.spec
    meant = {"resources": then.resources, "auth": then.auth, "host_port": made_from.serving["hostPort"]}
    changed = {
        "serving": spec.serving.model_copy(update=meant),
        "placement": spec.placement.model_copy(update={"tolerations": then.tolerations}),
    }
    return (
        deployment.model_copy(update={"spec": spec.model_copy(update=changed)}),
        profile.model_copy(update={"spec": profile.spec.model_copy(update={"pod": then.pod})}),
    )


def _parsed(made_from: PodInputs) -> _Parsed:
    """By the rules of its time."""
    resources, auth = made_from.serving["resources"], made_from.serving.get("auth")
    return _Parsed(
        ProfilePod.model_validate(made_from.profile, context=ON_RECORD),
        ResourceRequirements.model_validate(resources, context=ON_RECORD) if resources is not None else None,
        Auth.model_validate(auth, context=ON_RECORD) if auth is not None else None,
        [Toleration.model_validate(one, context=ON_RECORD) for one in made_from.tolerations],
    )
