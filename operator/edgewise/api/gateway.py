"""The gateway: what answers at a deployment's address while none of its devices can. Part of EdgeDeployment."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edgewise.api.base import (
    Count,
    Duration,
    Labels,
    Model,
    ResourceRequirements,
    Text,
    Timestamp,
    Toleration,
    Word,
    atomic,
)


class Gateway(Model):
    """Pods in the cluster that stand by and hand requests to the targets while no device of the placement is ready."""

    enabled: bool = True
    """False: while no device is ready, nobody answers. Whatever it says, there is no gateway with `privacy: Never` or
    `when.unavailable: false`."""
    replicas: Annotated[int, Field(ge=1, le=16)] = 1
    """Pods that stand by, all the time: in an outage it is too late to pull an image."""
    resources: ResourceRequirements | None = None
    """Of its container. Default: requests of 50m CPU and 96Mi."""
    node_selector: Labels = Field(default_factory=dict)
    """Nodes it may run on. Empty: any that is not one of the devices."""
    tolerations: Annotated[list[Toleration], atomic(16)] = Field(default_factory=list)
    """Taints of those nodes that it bears."""
    timeout: Duration = "10s"
    """Longest wait for its answer, all targets together. escalation.timeout is for help with a local answer, which is
    not there here; a target's own timeout holds. escalation.budget is for devices, too: serving.rateLimit bounds what
    clients may ask of a gateway."""
    take_over_after: Duration = "30s"
    """How long no device must have been ready before the Service leads to the gateway."""
    give_back_after: Duration = "60s"
    """How long a device must have been ready before the Service leads to the devices again."""


class GatewayStatus(Model):
    """The gateway of a deployment, and its turns."""

    workload: Word | None = None
    """Its Deployment; absent: there is none, see reason."""
    ready: Count = 0
    """Its pods that could answer: they run, and a target of theirs is ready."""
    took_over_at: Timestamp | None = None
    gave_back_at: Timestamp | None = None
    turning_since: Timestamp | None = None
    """Since when it has been about to take over, or to give back; absent: it is not."""
    reason: Text = ""
    """Why it could not answer now; empty: it could."""
