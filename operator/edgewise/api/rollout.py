"""Rollout: how a new version reaches the fleet. Part of EdgeDeployment."""

from __future__ import annotations

import re
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
    SignedDecimal,
    Text,
    Timestamp,
    Word,
    atomic,
    exactly_one,
    list_map,
    pattern,
    set_of,
)
from edgewise.api.units import seconds


class Wave(Model):
    """A part of the fleet. Waves are cumulative: 10 percent after 1 node are 10 percent in all."""

    nodes: Annotated[int, Field(ge=1)] | None = None
    """So many devices, of those that can be reached; drawn anew for each release, one of each profile first."""
    percent: Annotated[int, Field(ge=1, le=100)] | None = None
    """Of the devices that can be reached; rounded up."""
    selector: Labels | None = None
    """All nodes with these labels."""

    rules = (exactly_one("nodes", "percent", "selector"),)


_PLACED = r"^([^{]|\{[^{]|\{\{ *(namespace|name|release) *\}\})*$"
"""PromQL without other double braces than those."""


class Query(Model):
    """A question to the Prometheus that the administrator gave to the operator (chart value prometheus.url)."""

    name: DnsLabel
    promql: Text
    """An instant query; of several series the highest counts. In double braces, `namespace` and `name` stand for those
    of this EdgeDeployment, `release` for the one on its way."""
    max: SignedDecimal
    """A wave goes on while the answer is at or below it; above it three times in a row, the release is rejected."""

    rules = (
        Rule(
            "promql knows the placeholders namespace, name and release, each in double braces, and no others",
            f"self.promql.matches(r'{_PLACED}')",
            lambda self: re.fullmatch(_PLACED, self.promql) is not None,
        ),
    )


class Gates(Model):
    """What a wave must show before the next one begins. Each figure is judged by what there is, unless minRequests asks
    for more."""

    soak: Duration = "10m"
    """How long a wave serves before the next one begins, from when its devices have arrived."""
    min_requests: Count = 0
    """The devices of a wave must have answered at least so many with the release, no device counting for more than a
    quarter of them where there are four or more; and enough for every gate to be judged. 0: whatever there is."""
    deadline: Duration = "24h"
    """How long a wave waits for requests and for late devices, from when it was released. Time during which the window
    is shut does not count."""
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
    """What a Prometheus must say; for what devices themselves cannot know, such as the scrap of a line."""


Schedule = Annotated[str, pattern(r"^[-0-9A-Za-z*/,#]+( [-0-9A-Za-z*/,#]+){4}$", 128)]
TimeZone = Annotated[str, pattern(r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$", 64)]


_LONGEST = 366 * 86400.0


class Window(Model):
    """When devices may switch to another release. They fetch it before; the way back waits for no window, and nor does
    a device that serves nothing yet."""

    schedule: Schedule
    """When it opens: cron, five fields (minute, hour, day of month, month, day of week)."""
    duration: Duration
    """How long it stays open, 366d at most; of real time, whatever clocks do meanwhile."""
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
        """CEL knows neither cron nor time zones, and no days."""
        if seconds(self.duration) > _LONGEST:
            raise ValueError("duration must be at most 366d; leave the window out where there is none")
        if problem := windows.problem(self.schedule, self.time_zone):
            raise ValueError(problem)
        return self


class Rollout(Model):
    """How a new version reaches the fleet. Without waves and gates every reachable device switches at once, and judges
    for itself: a model that does not load, or fails its test, leaves the old one serving."""

    waves: Annotated[list[Wave], atomic(16)] = Field(default_factory=list)
    """In this order; those who are left come last. Changed pods (image, resources …) go by them, too. The first release
    of a deployment skips them. Not acted on in placement.mode Replicas."""
    gates: Gates | None = None
    """What a wave must show; with waves, absent means the defaults. Not acted on in placement.mode Replicas."""
    promote: Word = ""
    """`<release>/<wave>`, as status.rollout tells them: that wave need not soak any longer, nor wait for requests. For
    pods that change alone, their name stands for the release."""
    retry: Word = ""
    """A name of status.release.rejected that shall have another chance, or the DeviceProfile of a move that was
    refused (status.moves). Counts once, however long it stays here."""
    rollback_on_failure: bool = True
    """A release that fails a gate is rejected, and the fleet returns to the stable one; pods that do not start are put
    back as they were. false: the rollout only stops.
    A device whose new model does not load keeps, or returns to, the old one in any case."""
    max_unavailable: Percent = "10%"
    """Pods replaced at the same time when the pod template changes, and nodes that move to another DeviceProfile at the
    same time; at least one. Also: devices of a wave that may be
    late, or silent, without holding it up; rounded down."""
    window: Window | None = None
    """When devices may switch to another release, and pods that serve may be replaced; absent: at any time."""
    bandwidth: Bandwidth | None = None
    """Bytes a second that downloads may take on each device, all together; absent: as much as there is. Pods that share
    a cache folder (HostPath) share it, too; others on the same device each have their own."""
    paused: bool = False
    """true: no wave is released, and no device that has not got the new release yet switches to it."""


KEY_DIGITS = r"^[a-f0-9]{12}$"


class Signer(Model):
    """A key whose signature devices found on a model."""

    model: DnsLabel
    key: Annotated[str, pattern(KEY_DIGITS, 12)]
    """The first digits of its fingerprint: the sha256 of the public key as PEM."""


class ReleaseStatus(Model):
    """Which release the fleet serves, and which it is going to."""

    stable: Word | None = None
    target: Word | None = None
    previous: Word | None = None
    rejected: Annotated[list[Word], set_of(16)] | None = None
    """Releases, and changes of the pods (`pods-…`), that failed a gate, the newest last: nobody goes there again before
    spec.rollout.retry names them."""
    retried: Word | None = None
    """The value of spec.rollout.retry that has been acted on; it counts once."""
    signers: Annotated[list[Signer], list_map("model", "key", limit=16)] | None = None
    """Who signed what devices serve of the target, in their own words; absent: they ask for no signature."""


class MoveStatus(Model):
    """Nodes on their way from one DeviceProfile to another: held on the old one until it is their turn."""

    origin: Annotated[DnsLabel, Field(alias="from")]
    to: DnsLabel
    nodes: Count = 0
    """All of them."""
    moved: Count = 0
    """Of those, nodes that serve from the new one."""
    trying: Annotated[list[Word], set_of(64)] | None = None
    """Nodes that were let go and do not serve from the new one yet."""
    tried_at: Timestamp | None = None
    """When the newest of those was let go."""
    attempt: Word | None = None
    """What they try: `<release>/<hash of the pod template>`."""
    wave: Count | None = None
    """Number of the newest wave that was released, from 1, where spec.rollout asks for waves or gates and no release is
    the reason for the move; else absent, as are the following."""
    waves: Count | None = None
    started_at: Timestamp | None = None
    wave_started_at: Timestamp | None = None
    soak_ends_at: Timestamp | None = None
    reason: Text | None = None
    """What the next wave waits for; `<Reason>: <in words>`."""
    refused: Text | None = None
    """Why nobody else is let go, and those who tried are back: until the attempt is another one, or spec.rollout.retry
    names the new profile."""


class RolloutStatus(Model):
    """Where a rollout in waves stands; after a rejection, where it stood."""

    release: Word | None = None
    """The release on its way; the stable one where only pods change."""
    pods: Word | None = None
    """Name of the changed pods (image, resources …) that go by the same waves, alone or with the release."""
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
