"""The report: what one device says of itself; and the operator's reply.

POST {plan.reporting.url} with `Authorization: Bearer <projected token>`. The token's claims name pod and node, so a
device can only speak for itself; the names in the body are checked against them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edgewise.api.base import Model
from edgewise.contract.histogram import Histogram, Total
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
    signer: str = ""
    """Whose signature the model bears that serves: the first digits of the key's fingerprint. Empty: this device asks
    for none, or knows nothing of signatures."""


class AccessReport(Model):
    """What clients must show. A device says it of itself: an image that knows nothing of serving.auth would be open."""

    demands: list[Demand]
    problem: str = ""
    """Why clients are not admitted, or not all of them; empty: they are."""


class Answers(Model):
    """What one model of a release answered. Totals, like those of the release."""

    seconds: Histogram = Histogram()
    """Serving time of the answers the device gave by itself; buckets of histogram.SECONDS."""
    confidence: Histogram = Histogram()
    """How sure it was, of every answer it computed, those included that a target was asked about then; buckets of
    histogram.CONFIDENCE. Empty where nobody can tell."""


class Counters(Model):
    """Totals of one release on this device. Kept on the device: they go on after a restart. Of the last minute before a
    power cut they may lose some; the operator never takes a lower count than it has seen."""

    requests: Total = 0
    """Those that the release had to do with: what was refused before it was asked, for a client's mistake, is not among
    them."""
    failures: Total = 0
    """Requests answered with an error of ours (5xx, or 429 for a full queue), and those a target answered because the
    engine failed on them."""
    refused: Total = 0
    """Requests that the engine found fault with although they fit the model's inputs (400): a picture that is none, or
    a model that does not bear what it says it takes. The release before tells which."""
    escalated: Total = 0
    again: bool = False
    """Counted since plan.retry has named the release: what it did before is forgiven."""
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Sum of serving time."""
    models: dict[str, Answers] = Field(default_factory=dict)
    """Name -> its answers. Only while a rollout is on: nobody looks at them at other times."""


class Report(Model):
    """The whole document: 0.7 kB; 1.6 kB while a rollout is on, of a release with one model."""

    contract: Literal[1] = 1
    deployment: DeploymentRef
    pod: str
    node: str
    profile: str
    boot: str
    """New at each start of the process."""
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
    """Release -> its totals, of the releases that the plan names and the one that serves."""
    runtime_version: str = ""


class ReportReply(Model):
    """The operator's answer: the plan, when the device follows an older one."""

    plan: Plan | None = None
