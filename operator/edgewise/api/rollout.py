"""Rollout: how a new version reaches the fleet. Part of EdgeDeployment."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edgewise.api.base import (
    Count,
    Decimal,
    DnsLabel,
    Duration,
    Fraction,
    Labels,
    Model,
    Percent,
    Quantity,
    Text,
    Word,
    atomic,
    exactly_one,
    list_map,
)


class Wave(Model):
    """A part of the fleet, cumulative."""

    nodes: Annotated[int, Field(ge=1)] | None = None
    percent: Annotated[int, Field(ge=1, le=100)] | None = None
    selector: Labels | None = None

    rules = (exactly_one("nodes", "percent", "selector"),)


class Query(Model):
    """A Prometheus query that must stay at or below max."""

    name: DnsLabel
    promql: Text
    max: Decimal


class Gates(Model):
    """What a wave must show before the next one begins."""

    soak: Duration = "10m"
    min_requests: Count = 0
    deadline: Duration = "24h"
    on_too_few: Literal["UseSelfTest", "Hold", "Promote"] = "UseSelfTest"
    error_rate: Fraction | None = None
    latency_ratio: Decimal | None = None
    confidence_shift: Decimal | None = None
    max_failed: Percent | None = None
    query: Annotated[list[Query], list_map("name", limit=8)] = Field(default_factory=list)


class Window(Model):
    """When devices may switch; downloads may run before."""

    schedule: Word
    duration: Duration
    time_zone: Word = "Etc/UTC"


class Rollout(Model):
    """How a new version reaches the fleet. v0.1 switches every reachable device at once; of the fields here it acts on
    maxUnavailable and paused."""

    waves: Annotated[list[Wave], atomic(16)] = Field(default_factory=list)
    gates: Gates | None = None
    promote: Word = ""
    retry: Word = ""
    rollback_on_failure: bool = True
    """A device whose new model does not load keeps, or returns to, the old one. Fleet-wide return is not acted on in
    v0.1."""
    max_unavailable: Percent = "10%"
    """Pods replaced at the same time when the pod template changes; at least one."""
    window: Window | None = None
    bandwidth: Quantity | None = None
    """Bytes a second each device may use for downloads."""
    paused: bool = False
    """true: no device switches to a new release."""
