"""Who may ask the devices of an EdgeDeployment, and how often. Part of EdgeDeployment; the rate also of the plan."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edgewise.api.base import Model, Rule, SecretKeyRef, SecretRef

_MOST = 1_000_000  # a second; one request a microsecond is more than any device answers


class Auth(Model):
    """What clients of the serving ports must show: a token, a certificate, or both.

    The Secrets are mounted; a renewed one is taken over within two minutes, without a restart. While one is missing the
    device admits nobody and says AccessNotReady. Changing this field itself replaces the pods.
    """

    token_secret_ref: SecretRef | None = None
    """Each key is a client's name, its value that client's bearer token, 16 characters or more. Two keys may be one
    client's: that is how a token is replaced."""
    certificate_secret_ref: SecretRef | None = None
    """Type kubernetes.io/tls, as cert-manager makes it: the ports then speak TLS only. It should be valid for
    `<name>.<namespace>.svc` and `<name>-local.<namespace>.svc`, and for whatever name clients on the LAN use."""
    client_ca_secret_ref: Annotated[SecretKeyRef | None, Field(alias="clientCASecretRef")] = None
    """PEM bundle, such as key ca.crt: clients must show a certificate for client authentication that one of these CAs
    signed. Only this key is mounted."""

    rules = (
        Rule(
            "set tokenSecretRef, certificateSecretRef, or both",
            "has(self.tokenSecretRef) || has(self.certificateSecretRef)",
            lambda self: self.token_secret_ref is not None or self.certificate_secret_ref is not None,
        ),
        Rule(
            "clientCASecretRef needs certificateSecretRef: clients show their certificates over TLS",
            "!has(self.clientCASecretRef) || has(self.certificateSecretRef)",
            lambda self: self.client_ca_secret_ref is None or self.certificate_secret_ref is not None,
        ),
    )


class RateLimit(Model):
    """Requests that one client may make of one device; the next one gets 429. Health checks are not counted.

    A client is known by its token or certificate, else by its address; those behind one NAT are one.
    """

    requests_per_second: Annotated[int, Field(ge=1, le=_MOST)]
    """In the long run."""
    burst: Annotated[int, Field(ge=1, le=_MOST)] | None = None
    """At once, after a pause. Default: as many as requestsPerSecond."""
