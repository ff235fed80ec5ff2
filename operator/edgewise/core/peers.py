"""Escalation targets that are EdgeDeployments: where they are reached, and what stands against asking them. Pure.

Called for the plan (addresses) and for the verdict (problems). A target with a problem is left out of the plan: the
devices serve on without it, and its deployment says what a person has to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.escalation import EscalationTarget
from edgewise.api.names import HTTP_PORT, Reason
from edgewise.core.children import access
from edgewise.core.outcome import Finding

Peers = Mapping[str, EdgeDeployment]
"""The other EdgeDeployments of the namespace, by name."""


@dataclass(frozen=True)
class Resolved:
    """The targets of one deployment that are deployments, each in one of the two."""

    addresses: Mapping[str, str] = field(default_factory=dict)
    """Target name -> URL."""
    problems: Mapping[str, Finding] = field(default_factory=dict)
    """Target name -> why it is not asked."""


def named(deployment: EdgeDeployment) -> list[str]:
    """EdgeDeployments that it would ask, in its order: none where nothing may leave it."""
    return deployment.spec.help.peers if deployment.spec.help else []


def resolved(deployment: EdgeDeployment, peers: Peers) -> Resolved:
    addresses, problems = dict[str, str](), dict[str, Finding]()
    allowed = deployment.spec.help
    for target in allowed.targets if allowed else ():
        if target.deployment_ref is None:
            continue
        spoken = (check(deployment, target, peers) for check in CHECKS)
        problem = next((finding for finding in spoken if finding is not None), None)
        if problem is None:
            addresses[target.name] = _address(peers[target.deployment_ref.name])
        else:
            problems[target.name] = problem
    return Resolved(addresses, problems)


def it_is_not_there(deployment: EdgeDeployment, target: EscalationTarget, peers: Peers) -> Finding | None:
    name = _peer(target)
    if name in peers:
        return None
    there = ", ".join(sorted(peers)) or "none"
    return Finding(
        Reason.TARGET_NOT_FOUND,
        f"escalation target {target.name}: namespace {deployment.metadata.namespace} has no readable EdgeDeployment "
        f"{name} (others there: {there}); create it, or correct deploymentRef",
    )


def it_asks_this_one_again(deployment: EdgeDeployment, target: EscalationTarget, peers: Peers) -> Finding | None:
    me = deployment.metadata.name
    way = _way(_peer(target), me, {**peers, me: deployment})
    if way is None:
        return None
    return Finding(
        Reason.TARGET_CYCLE,
        f"escalation target {target.name}: requests would go round ({' -> '.join([me, *way])}); "
        "take the deploymentRef of one of these away",
    )


def it_demands_more(_: EdgeDeployment, target: EscalationTarget, peers: Peers) -> Finding | None:
    """Of its clients, than the target entry brings along."""
    demanded, missing = access.demanded(peers[_peer(target)].spec.serving.auth), list[str]()
    if "Token" in demanded and target.credentials_secret_ref is None:
        missing.append("a token: name a Secret with the key token in credentialsSecretRef")
    if "ClientCertificate" in demanded and (target.tls is None or target.tls.client_cert_secret_ref is None):
        missing.append("a certificate: name a Secret with tls.crt and tls.key in tls.clientCertSecretRef")
    if not missing:
        return None
    text = f"escalation target {target.name}: EdgeDeployment {_peer(target)} demands of its clients "
    return Finding(Reason.TARGET_GUARDED, text + "; and ".join(missing))


def it_would_read_our_token_aloud(_: EdgeDeployment, target: EscalationTarget, peers: Peers) -> Finding | None:
    """Credentials go over TLS only, and it has none."""
    if target.credentials_secret_ref is None or access.scheme(peers[_peer(target)]) == "https":
        return None
    return Finding(
        Reason.TARGET_GUARDED,
        f"escalation target {target.name}: credentials go over TLS only, and EdgeDeployment {_peer(target)} speaks "
        "plain HTTP; give it serving.auth.certificateSecretRef, or take credentialsSecretRef away",
    )


def _way(begin: str, end: str, all_of: Peers) -> list[str] | None:
    """The first way from one deployment to another along deploymentRefs, both ends included; None: there is none."""
    ways, seen = [[begin]], {begin}
    while ways:
        way = ways.pop(0)
        if way[-1] == end:
            return way
        for name in named(all_of[way[-1]]) if way[-1] in all_of else ():
            if name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return None


def _address(peer: EdgeDeployment) -> str:
    return f"{access.scheme(peer)}://{peer.metadata.name}.{peer.metadata.namespace}.svc:{HTTP_PORT}"


def _peer(target: EscalationTarget) -> str:
    assert target.deployment_ref is not None  # noqa: S101  the others are not looked at
    return target.deployment_ref.name


Check = Callable[[EdgeDeployment, EscalationTarget, Peers], Finding | None]

CHECKS: tuple[Check, ...] = (
    it_is_not_there,
    it_asks_this_one_again,  # each would wait for the other
    it_demands_more,
    it_would_read_our_token_aloud,
)
