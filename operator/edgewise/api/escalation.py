"""Escalation: who helps a device that should not answer alone, when, and at what cost. Part of EdgeDeployment."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edgewise.api.base import (
    Count,
    DnsLabel,
    Duration,
    Fraction,
    Model,
    Quantity,
    Rule,
    SecretKeyRef,
    SecretRef,
    TargetUrl,
    Uri,
    Word,
    atomic,
    exactly_one,
)


class Tls(Model):
    """How to reach a target safely. v0.1 refuses a target that sets it."""

    ca_secret_ref: SecretKeyRef | None = None
    client_cert_secret_ref: SecretRef | None = None
    server_name: Word = ""


class PeerRef(Model):
    """An EdgeDeployment in the same namespace."""

    name: DnsLabel


class EscalationTarget(Model):
    """Somebody to ask: another EdgeDeployment, or any server of the Open Inference Protocol."""

    name: DnsLabel
    url: TargetUrl | None = None
    """http, https, grpc or grpcs URL of an Open Inference Protocol server, such as Triton. gRPC is not acted on in
    v0.1."""
    deployment_ref: PeerRef | None = None
    model: Word = ""
    """Model name there; empty: the same name."""
    tls: Tls | None = None
    credentials_secret_ref: SecretRef | None = None
    """Keys `token`, or `username` and `password`. v0.1 refuses a target that sets it."""

    rules = (exactly_one("url", "deployment_ref"),)


class EscalationWhen(Model):
    """What makes a device ask for help."""

    confidence_below: Fraction | None = None
    """Local answers less confident than this are asked again."""
    overloaded: bool = True
    """The local queue is full."""
    unavailable: bool = True
    """No local model is loaded, or it failed."""


class Budget(Model):
    """How much help may cost. Bounds are per device."""

    ratio: Fraction | None = None
    """Largest share of requests that may be escalated, over the last 1,000."""
    requests_per_minute: Count | None = None
    bytes_per_day: Quantity | None = None
    """Bytes sent and received, a day (UTC)."""


class Spool(Model):
    """Store-and-forward of hard examples. Not acted on in v0.1."""

    max_bytes: Quantity = "64Mi"
    max_age: Duration = "72h"
    sink: Uri | None = None


class Escalation(Model):
    """Who helps when a device should not answer alone. The local answer stands whenever help fails."""

    targets: Annotated[list[EscalationTarget], atomic(4), Field(min_length=1)]
    """Asked in order."""
    when: EscalationWhen = EscalationWhen()
    timeout: Duration = "150ms"
    """Longest wait for help, all targets together."""
    budget: Budget = Budget()
    privacy: Literal["Allow", "Never"] = "Allow"
    """Never: nothing leaves the device, whatever else says so."""
    spool: Spool | None = None

    rules = (
        Rule(
            "targets[].name must be unique",
            "self.targets.all(t, self.targets.exists_one(o, o.name == t.name))",
            lambda self: len({target.name for target in self.targets}) == len(self.targets),
        ),
    )
