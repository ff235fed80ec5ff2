"""Escalation targets as the devices get them: an entry of the plan, and Secrets in the pods, which it only names."""

from __future__ import annotations

from collections.abc import Iterator

from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.escalation import EscalationTarget, Tls
from edgewise.api.units import seconds
from edgewise.contract.plan import PlanTarget
from edgewise.core.children import secrets


def planned(target: EscalationTarget, url: str) -> PlanTarget:
    """`url`: where it is reached, be it its own word or a deployment's address."""
    return PlanTarget(
        name=target.name,
        url=url,
        model=target.model,
        timeout_seconds=seconds(target.timeout) if target.timeout else None,
        compress=target.compress,
        tls=target.tls,
        credentials_secret_ref=target.credentials_secret_ref,
    )


def keys(deployment: EdgeDeployment) -> Iterator[str]:
    """Keys of Secrets that its targets need, repeated or not: none where nothing may leave the devices."""
    allowed = deployment.spec.help
    for target in allowed.targets if allowed else ():
        tls = target.tls or Tls()
        yield from secrets.keys_of(tls.ca_secret_ref)
        yield from secrets.keys_of(tls.client_cert_secret_ref, secrets.CERTIFICATE)
        yield from secrets.keys_of(target.credentials_secret_ref, secrets.CREDENTIALS)
