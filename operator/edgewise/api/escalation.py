"""Escalation: who helps a device that should not answer alone, when, and at what cost. Part of EdgeDeployment."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.alias_generators import to_camel

from edgewise.api.base import (
    Bandwidth,
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
    Word,
    atomic,
    exactly_one,
    pattern,
)
from edgewise.api.gateway import Gateway

ServerName = Annotated[str, pattern(r"^([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?)?$", 253)]
SinkUrl = Annotated[str, pattern(r"^(https?://[^/@?#\s]+|s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(/[^?#\s]*)?$", 2048)]


class Tls(Model):
    """How a target is known, and how a device makes itself known to it.

    The Secrets are mounted; a renewed one is taken over within two minutes, without a restart. While one is missing or
    cannot be used, the target is not asked, and the devices serve on.
    """

    ca_secret_ref: SecretKeyRef | None = None
    """PEM bundle, such as key ca.crt: one of these CAs must have signed the target's certificate, and no other counts.
    Empty: those that the runtime's image trusts."""
    client_cert_secret_ref: SecretRef | None = None
    """Type kubernetes.io/tls, with tls.crt and tls.key: shown to a target that asks for a client certificate."""
    server_name: ServerName = ""
    """Whom the target's certificate must be for. Empty: the host of its url."""


class PeerRef(Model):
    """An EdgeDeployment in the same namespace."""

    name: DnsLabel


def _needs_tls(name: str, why: str) -> Rule:
    """A member (snake_case) that a plain-text url cannot have."""
    camel = to_camel(name)
    return Rule(
        f"{camel} needs an https:// or grpcs:// url: {why}",
        f"!has(self.{camel}) || !has(self.url) || self.url.matches('^(https|grpcs)://')",
        lambda self: getattr(self, name) is None or self.url is None or self.url.startswith(("https://", "grpcs://")),
    )


class EscalationTarget(Model):
    """Somebody to ask: another EdgeDeployment, or any server of the Open Inference Protocol."""

    name: DnsLabel
    url: TargetUrl | None = None
    """http, https, grpc or grpcs URL of an Open Inference Protocol server, such as Triton. Without a port: 80, 443,
    8001, 443. Redirects are not followed."""
    deployment_ref: PeerRef | None = None
    model: Word = ""
    """Model name there; empty: the same name."""
    timeout: Duration | None = None
    """Longest wait for this target, before the next one is asked. Empty: as long as escalation.timeout leaves, which is
    never exceeded."""
    compress: bool = False
    """Send requests as gzip, where that makes them smaller: for links that are slower than the device."""
    tls: Tls | None = None
    credentials_secret_ref: SecretRef | None = None
    """Keys `token`, or `username` and `password`. Sent over TLS only. Renewed, or missing, it is treated as those of
    tls."""

    rules = (
        exactly_one("url", "deployment_ref"),
        _needs_tls("credentials_secret_ref", "over plain text anybody on the way could read it"),
        _needs_tls("tls", "there is none without"),
        Rule(
            "a grpc:// or grpcs:// url is a host and a port, without a path",
            "!has(self.url) || !self.url.startsWith('grpc') || self.url.matches('^grpcs?://[^/]+/?$')",
            lambda self: not (self.url or "").startswith("grpc") or self.url.rstrip("/").count("/") == 2,
        ),
    )


class EscalationWhen(Model):
    """What makes a device ask for help."""

    confidence_below: Fraction | None = None
    """Local answers less confident than this are asked again. How confident an answer is: EdgeModel.spec.confidence."""
    overloaded: bool = True
    """The local queue is full, or the answer would come later than the request allows."""
    unavailable: bool = True
    """No local model is loaded, it failed, or it has lost the accelerator it must have."""


class Budget(Model):
    """How much help may cost. Bounds are per device. Where one binds, requests without any answer come first, then the
    least confident ones."""

    ratio: Fraction | None = None
    """Largest share of requests that may be escalated, over the last 1,000."""
    requests_per_minute: Count | None = None
    """In any 60 seconds."""
    bytes_per_day: Quantity | None = None
    """Bytes sent and received, a day (UTC); spread over what is left of it."""


class Spool(Model):
    """Store and forward: hard requests, and those the device could not answer by itself, are kept on the device and
    sent as training data when the link allows. Private requests are never kept."""

    max_bytes: Quantity = "64Mi"
    """Most that examples take on a device's disk. Full, the most confident are dropped first, then the oldest. The pod
    gets it beyond serving.cache.limit."""
    max_age: Duration = "72h"
    """Examples that could not be sent for so long are dropped."""
    sink: SinkUrl | None = None
    """Where they go: each is one PUT of <sink>/<sha256>.npz. https:// or http:// for a web server that takes PUT, or
    s3://bucket/prefix for S3 and what speaks like it. Empty: they stay on the device."""
    sink_secret_ref: SecretRef | None = None
    """Keys `token`, or `username` and `password`; for s3:// `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, and where
    they are needed `AWS_SESSION_TOKEN`, `AWS_REGION` (us-east-1) and `AWS_ENDPOINT_URL` (of an S3 that is not
    Amazon's)."""
    ca_secret_ref: SecretKeyRef | None = None
    """PEM bundle: one of these CAs must have signed the sink's certificate, and no other counts. Empty: those that the
    runtime's image trusts."""
    bandwidth: Bandwidth | None = None
    """Bytes a second that sending may take on each device; empty: as much as there is."""

    rules = (
        Rule(
            "an s3:// sink needs sinkSecretRef",
            "!has(self.sink) || !self.sink.startsWith('s3://') || has(self.sinkSecretRef)",
            lambda self: not (self.sink or "").startswith("s3://") or self.sink_secret_ref is not None,
        ),
        Rule(
            "sinkSecretRef needs an https:// or s3:// sink: over http:// everybody on the way could read it",
            "!has(self.sinkSecretRef) || (has(self.sink) && !self.sink.startsWith('http://'))",
            lambda self: self.sink_secret_ref is None or (self.sink or "http://").partition("://")[0] != "http",
        ),
    )


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
    gateway: Gateway | None = None
    """Answers at the Service `<name>` while no device is ready. Absent: as `{}`."""
    spool: Spool | None = None

    rules = (
        Rule(
            "targets[].name must be unique",
            "self.targets.all(t, self.targets.exists_one(o, o.name == t.name))",
            lambda self: len({target.name for target in self.targets}) == len(self.targets),
        ),
    )

    @property
    def peers(self) -> list[str]:
        """Names of the EdgeDeployments among the targets, in their order."""
        return [target.deployment_ref.name for target in self.targets if target.deployment_ref is not None]
