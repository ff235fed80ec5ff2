"""EdgeDeployment: where a model serves. How: serving.py; who helps: escalation.py; how it changes: rollout.py."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field

from edgewise.api.base import (
    Count,
    Decimal,
    DnsLabel,
    Duration,
    Fraction,
    Image,
    Labels,
    Metadata,
    Milliseconds,
    Model,
    Rule,
    Status,
    Text,
    Toleration,
    Word,
    atomic,
    list_map,
    pattern,
    set_of,
)
from edgewise.api.deviceprofile import Precision
from edgewise.api.escalation import Escalation
from edgewise.api.gateway import GatewayStatus
from edgewise.api.pipeline import (
    FOLLOWS_EARLIER_STEPS,
    Pipeline,
    follows_earlier_steps,
    names_are_unique,
    nothing_follows_a_tracker,
)
from edgewise.api.rollout import MoveStatus, ReleaseStatus, Rollout, RolloutStatus
from edgewise.api.serving import Serving


class ModelRef(Model):
    """An EdgeModel in the same namespace."""

    name: DnsLabel


class Placement(Model):
    """Which nodes serve."""

    mode: Literal["PerNode", "Replicas"] = "PerNode"
    """PerNode: one pod on every node that fits. Replicas: so many pods, anywhere that fits."""
    replicas: Annotated[int, Field(ge=0, le=10_000)] = 1
    """Pods in Replicas mode, shared out over the fitting profiles by their number of nodes."""
    node_selector: Labels = Field(default_factory=dict)
    """Only nodes with these labels."""
    tolerations: Annotated[list[Toleration], atomic(16)] = Field(default_factory=list)
    """Added to the ones every edge pod has (not-ready and unreachable, unbounded)."""
    profiles: Annotated[list[DnsLabel], set_of(32)] = Field(default_factory=list)
    """Only these DeviceProfiles; empty: any that fits."""


class Requirements(Model):
    """What a build must reach to be chosen."""

    min_accuracy: Fraction | None = None
    """Builds that state a lower accuracy, or none, do not fit."""
    max_latency: Duration | None = None
    """Longest median time of a single request in the engine. Builds that a profile's devices measured to be slower do
    not fit it; a build that none has measured yet does, and devices choose their threads by this."""
    precisions: Annotated[list[Precision], set_of(4)] = Field(default_factory=list)
    """Only these precisions; empty: any."""


class Reporting(Model):
    """How often devices speak to the operator."""

    interval: Duration = "5m"
    during_rollout: Duration = "10s"


class EdgeDeploymentSpec(Model):
    """Where a model serves, and how."""

    models: Annotated[list[ModelRef], list_map("name", limit=8), Field(min_length=1)]
    """EdgeModels in the same namespace, served side by side in one pod."""
    pipeline: Pipeline = Field(default_factory=list)
    """A chain of those models, served as one more model that bears this deployment's name."""
    release: Word = ""
    """Pins a known release (see status.release); empty follows the models."""
    placement: Placement = Placement()
    requirements: Requirements = Requirements()
    serving: Serving = Serving()
    escalation: Escalation | None = None
    rollout: Rollout = Rollout()
    reporting: Reporting = Reporting()

    rules = (
        Rule(
            "serving.cache.type PersistentVolumeClaim is for placement.mode Replicas",
            "self.serving.cache.type != 'PersistentVolumeClaim' || self.placement.mode == 'Replicas'",
            lambda self: self.serving.cache.type != "PersistentVolumeClaim" or self.placement.mode == "Replicas",
        ),
        Rule(
            "pipeline[].name must be unique",
            "self.pipeline.all(s, self.pipeline.exists_one(o, o.name == s.name))",
            lambda self: names_are_unique(self.pipeline),
        ),
        Rule(
            "pipeline[].model must be one of spec.models",
            "self.pipeline.all(s, !has(s.model) || self.models.exists(m, m.name == s.model))",
            lambda self: {step.model for step in self.pipeline if step.model} <= {model.name for model in self.models},
        ),
        Rule(
            "pipeline[].from must not be a step that tracks",
            "self.pipeline.all(s, !self.pipeline.exists(o, has(o.track) && o.name == s.from))",
            lambda self: nothing_follows_a_tracker(self.pipeline),
        ),
        Rule(
            "pipeline[].from must be request or an earlier step",
            FOLLOWS_EARLIER_STEPS,
            lambda self: follows_earlier_steps(self.pipeline),
        ),
    )

    @property
    def help(self) -> Escalation | None:
        """`escalation`; None: there is none, or nothing may leave the devices."""
        return None if self.escalation is None or self.escalation.privacy == "Never" else self.escalation


class NodeCounts(Model):
    """Nodes of this deployment."""

    matched: Count = 0
    """Nodes where it should serve."""
    ready: Count = 0
    """Of those, nodes with a pod that answers."""
    updated: Count = 0
    """Nodes that serve the target release."""
    offline: Count = 0
    """Matched nodes that the cluster cannot reach now; they go on serving what they have."""
    failed: Count = 0
    """Nodes that tried the target release and could not serve it."""
    unplaced: Count = 0
    """Nodes of a matching profile for which nothing fits."""


class Measurement(Model):
    """How fast a build is on a profile's devices: the median of what they measured when they first loaded it."""

    model: DnsLabel
    variant: DnsLabel
    sha256: Annotated[str, pattern(r"^[a-f0-9]{12}$", 12)]
    """The first digits of its file's."""
    latency: Milliseconds
    """Of a single request in the engine, nothing else running, as devices serve it."""
    fastest: Milliseconds
    """The same with the threads that answer soonest: what requirements.maxLatency is compared with."""
    throughput: Decimal
    """Requests a second, with as many at the same time as the device takes."""
    devices: Count
    """That measured it."""


class ProfileStatus(Model):
    """One DeviceProfile of this deployment: the build chosen, or why there is none."""

    name: DnsLabel
    variant: Text | None = None
    """Chosen build per model, as `model/variant`."""
    workload: Word | None = None
    nodes: Count = 0
    ready: Count = 0
    reason: Text = ""
    measured: Annotated[list[Measurement], list_map("model", "variant", "sha256", limit=64)] | None = None
    """Builds of the present releases that devices of this profile have measured, whether they run them now or not."""


class Unplaced(Model):
    """A node where nothing fits, and why."""

    node: Word
    reason: Text


class PlanStatus(Model):
    """The plan the devices follow."""

    sequence: Count = 0
    followed: Count = 0
    """Running devices on reachable nodes that follow it."""


class EdgeDeploymentStatus(Status):
    """What serves where, and why."""

    url: Word | None = None
    """For clients in the cluster."""
    local_url: Annotated[Word | None, Field(alias="localURL")] = None
    """For clients on the same node: a cluster IP, so it works without DNS and without the network."""
    release: ReleaseStatus | None = None
    nodes: NodeCounts | None = None
    rollout: RolloutStatus | None = None
    moves: Annotated[list[MoveStatus], list_map("from", "to", limit=16)] | None = None
    profiles: Annotated[list[ProfileStatus], list_map("name", limit=64)] | None = None
    unplaced: Annotated[list[Unplaced], list_map("node", limit=10)] | None = None
    """The first ten by name; nodes.unplaced is the exact count."""
    served_by: Literal["Devices", "Gateway"] | None = None
    """Where `url` leads to; absent: to the devices, and there is no gateway."""
    gateway: GatewayStatus | None = None
    plan: PlanStatus | None = None
    images: Annotated[dict[DnsLabel, Image], Field(max_length=64)] | None = None
    """Default runtime image per profile when its workload was made: upgrading the operator restarts no device pod."""


class EdgeDeployment(Model):
    """Where a model serves, and how: placement, escalation to a bigger model, rollout."""

    metadata: Metadata
    spec: EdgeDeploymentSpec
    status: EdgeDeploymentStatus = EdgeDeploymentStatus()

    rules = (
        Rule(
            "metadata.name must start with a letter, have no dot and at most 52 characters: Services bear it",
            "self.metadata.name.size() <= 52 && self.metadata.name.matches('^[a-z][-a-z0-9]*$')",
            lambda self: re.fullmatch("[a-z][-a-z0-9]{0,51}", self.metadata.name) is not None,
        ),
        Rule(
            "escalation.targets[].deploymentRef must name another EdgeDeployment than this one",
            "!has(self.spec.escalation) || !self.spec.escalation.targets.exists(t, "
            "has(t.deploymentRef) && t.deploymentRef.name == self.metadata.name)",
            lambda self: self.spec.escalation is None or self.metadata.name not in self.spec.escalation.peers,
        ),
        Rule(
            "a pipeline is served under metadata.name, so none of spec.models may have that name",
            "self.spec.pipeline.size() == 0 || !self.spec.models.exists(m, m.name == self.metadata.name)",
            lambda self: not self.spec.pipeline or self.metadata.name not in {m.name for m in self.spec.models},
        ),
    )
