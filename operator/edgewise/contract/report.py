"""The report: what one device says of itself; and the operator's reply.

POST {plan.reporting.url} with `Authorization: Bearer <projected token>`. The token's claims name pod and node, so a
device can only speak for itself; the names in the body are checked against them.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from edgewise.api.base import Model
from edgewise.contract.plan import DeploymentRef, Plan

State = Literal["Pending", "Downloading", "Loading", "Ready", "Failed"]
Demand = Literal["Token", "Certificate", "ClientCertificate"]


class ModelReport(Model):
    """One model on one device."""

    name: str
    version: str
    variant: str
    state: State
    reason: str = ""
    """From names.Reason: why the state is Failed, what a download waits for (SourceUnreachable, DiskFull), or that a
    Ready model has left its accelerator (AcceleratorLost)."""
    message: str = ""
    provider: str = ""
    """Execution provider, delegate or device that computes now; empty until loaded, and where a model refuses requests
    because its accelerator is gone."""
    latency: float | None = None
    """Seconds of a single request in the engine, nothing else running: the median measured on this device. Absent until
    it serves, and where the model's inputs have no fixed size."""
    fastest: float | None = None
    """The same with the threads that answer soonest; devices choose those only where plan.serving.maxLatency asks."""
    throughput: float | None = None
    """Requests a second in the engine, with as many at the same time as this device takes."""
    downloaded: int = 0
    """Bytes in the cache so far."""


class AccessReport(Model):
    """What clients must show. A device says it of itself: an image that knows nothing of serving.auth would be open."""

    demands: list[Demand]
    problem: str = ""
    """Why clients are not admitted, or not all of them; empty: they are."""


class Counters(Model):
    """Totals since boot, of one release."""

    requests: int = 0
    failures: int = 0
    """Requests answered with an error of ours (5xx)."""
    escalated: int = 0
    seconds: float = 0.0
    """Sum of serving time."""


class Report(Model):
    """The whole document, a few hundred bytes."""

    contract: Literal[1] = 1
    deployment: DeploymentRef
    pod: str
    node: str
    profile: str
    boot: str
    """New at each start of the process: counters begin again."""
    sequence: int
    """Of the plan this device follows."""
    serving: str | None = None
    """Release that answers requests now; absent while there is none."""
    release: str
    """Release this device is going to, or serves."""
    models: list[ModelReport] = Field(default_factory=list)
    """Of `release`."""
    access: AccessReport | None = None
    """Absent: anybody may ask."""
    targets: dict[str, str] = Field(default_factory=dict)
    """Escalation target -> why it is not asked: a Secret that is missing or cannot be used. The others are."""
    counters: dict[str, Counters] = Field(default_factory=dict)
    runtime_version: str = ""


class ReportReply(Model):
    """The operator's answer: the plan, when the device follows an older one."""

    plan: Plan | None = None
