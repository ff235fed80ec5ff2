"""Rollout: how a new version reaches the fleet. Part of EdgeDeployment."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from edgewise.api import windows
from edgewise.api.base import (
    Bandwidth,
    Count,
    Decimal,
    DnsLabel,
    Duration,
    Fraction,
    Labels,
    Model,
    Percent,
    Rule,
    Text,
    Timestamp,
    Word,
    atomic,
    exactly_one,
    list_map,
    pattern,
    set_of,
)


class Wave(Model):
    """A part of the fleet. Waves are cumulative: 10 percent after 1 node are 10 percent in all."""

    nodes: Annotated[int, Field(ge=1)] | None = None
    """So many devices, of those that can be reached; drawn anew for each release, one of each profile first."""
    percent: Annotated[int, Field(ge=1, le=100)] | None = None
    """Of the devices that can be reached; rounded up."""
    selector: Labels | None = None
    """All nodes with these labels."""

    rules = (exactly_one("nodes", "percent", "selector"),)


class Query(Model):
    """A Prometheus query that must stay at or below max."""

    name: DnsLabel
    promql: Text
    max: Decimal


class Gates(Model):
    """What a wave must show before the next one begins. Each figure is judged by what there is, unless minRequests asks
    for more."""

    soak: Duration = "10m"
    """How long a wave serves before the next one begins, from when its devices have arrived."""
    min_requests: Count = 0
    """The devices of a wave must have answered at least so many with the release, no device counting for more than a
    quarter of them where there are four or more; and enough for every gate to be judged. 0: whatever there is."""
    deadline: Duration = "24h"
    """How long a wave waits for requests and for late devices, from when it was released."""
    on_too_few: Literal["UseSelfTest", "Hold", "Promote"] = "UseSelfTest"
    """What then counts where there were too few requests. UseSelfTest: the models' selfTest, which every device that
    serves the release has passed; without one it is Hold. Hold: a person, by rollout.promote. Promote: nothing."""
    error_rate: Fraction | None = None
    """Most requests that may fail, as a share."""
    latency_ratio: Decimal | None = None
    """How many times as long the slow answers (95th percentile) may take as with the stable release on the same device.
    Takes 100 answers of each on a device."""
    confidence_shift: Decimal | None = None
    """How far confidences may move from those of the stable release on the same devices: population stability index
    over ten deciles, where 0.1 is little and 0.25 is much. Takes 200 answers of each."""
    max_failed: Percent | None = None
    """Devices of a wave that may fail to serve the release, to the nearest whole number. Absent: none in the first
    wave, then 5%."""
    query: Annotated[list[Query], list_map("name", limit=8)] = Field(default_factory=list)
    """Not acted on in v0.1."""


Schedule = Annotated[str, pattern(r"^[-0-9A-Za-z*/,#]+( [-0-9A-Za-z*/,#]+){4}$", 128)]
TimeZone = Annotated[str, pattern(r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$", 64)]


class Window(Model):
    """When devices may switch to another release. They fetch it before; the way back waits for no window, and nor does
    a device that serves nothing yet."""

    schedule: Schedule
    """When it opens: cron, five fields (minute, hour, day of month, month, day of week)."""
    duration: Duration
    """How long it stays open; of real time, whatever clocks do meanwhile."""
    time_zone: TimeZone = "Etc/UTC"
    """From the IANA database, such as Europe/Berlin."""

    rules = (
        Rule(
            "duration must be above 0",
            "self.duration.matches('[1-9]')",
            lambda self: any(digit in "123456789" for digit in self.duration),
        ),
    )

    @model_validator(mode="after")
    def _can_be_followed(self) -> Window:
        """CEL knows neither cron nor time zones."""
        if problem := windows.problem(self.schedule, self.time_zone):
            raise ValueError(problem)
        return self


class Rollout(Model):
    """How a new version reaches the fleet. Without waves and gates every reachable device switches at once, and judges
    for itself: a model that does not load, or fails its test, leaves the old one serving."""

    waves: Annotated[list[Wave], atomic(16)] = Field(default_factory=list)
    """In this order; those who are left come last. The first release of a deployment skips them. Not acted on in
    placement.mode Replicas."""
    gates: Gates | None = None
    """What a wave must show; with waves, absent means the defaults. Not acted on in placement.mode Replicas."""
    promote: Word = ""
    """`<release>/<wave>`, as status.rollout tells them: that wave need not soak any longer, nor wait for requests."""
    retry: Word = ""
    """A release of status.release.rejected that shall have another chance. Counts once, however long it stays here."""
    rollback_on_failure: bool = True
    """A release that fails a gate is rejected, and the fleet returns to the stable one. false: the rollout only stops.
    A device whose new model does not load keeps, or returns to, the old one in any case."""
    max_unavailable: Percent = "10%"
    """Pods replaced at the same time when the pod template changes; at least one. Also: devices of a wave that may be
    late, or silent, without holding it up; rounded down."""
    window: Window | None = None
    """When devices may switch to another release; absent: at any time."""
    bandwidth: Bandwidth | None = None
    """Bytes a second that downloads may take on each device, all together; absent: as much as there is. Pods that share
    a cache folder (HostPath) share it, too; others on the same device each have their own."""
    paused: bool = False
    """true: no wave is released, and no device that has not got the new release yet switches to it."""


class ReleaseStatus(Model):
    """Which release the fleet serves, and which it is going to."""

    stable: Word | None = None
    target: Word | None = None
    previous: Word | None = None
    rejected: Annotated[list[Word], set_of(16)] | None = None
    """Releases that failed a gate, the newest last: nobody goes there again before spec.rollout.retry names them."""
    retried: Word | None = None
    """The value of spec.rollout.retry that has been acted on; it counts once."""


class RolloutStatus(Model):
    """Where a rollout in waves stands; after a rejection, where it stood."""

    release: Word | None = None
    """The release on its way."""
    wave: Count | None = None
    """Number of the newest wave that was released, from 1; 0: none yet."""
    waves: Count | None = None
    started_at: Timestamp | None = None
    """When its first wave was released: nodes that join later come in the last one."""
    wave_started_at: Timestamp | None = None
    soak_ends_at: Timestamp | None = None
    """Absent until the devices of the wave serve the release."""
    replaced: Count | None = None
    """How often the wave took other devices because all of its own had gone away."""
    evidence: Text | None = None
    """What the devices of the wave have shown so far."""
    reason: Text | None = None
    """What the next wave waits for, or why the release was rejected; `<Reason>: <in words>`."""
