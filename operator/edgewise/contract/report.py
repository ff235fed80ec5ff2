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


class ModelReport(Model):
    """One model on one device."""

    name: str
    version: str
    variant: str
    state: State
    reason: str = ""
    """From names.Reason: why the state is Failed, or what a download waits for (SourceUnreachable, DiskFull)."""
    message: str = ""
    provider: str = ""
    """Execution provider or delegate the engine really got; empty until loaded."""
    downloaded: int = 0
    """Bytes in the cache so far."""


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
    counters: dict[str, Counters] = Field(default_factory=dict)
    runtime_version: str = ""


class ReportReply(Model):
    """The operator's answer: the plan, when the device follows an older one."""

    plan: Plan | None = None
