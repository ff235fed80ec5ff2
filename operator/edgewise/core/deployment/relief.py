"""Relief for the devices: who has the Service from now on, the gateway's own workload, and what is said of both.

Looked at in every decision, one that is blocked included: whatever stands against a change, somebody should answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgewise.api.edgedeployment import EdgeDeploymentStatus
from edgewise.api.gateway import Gateway, GatewayStatus
from edgewise.api.names import Reason
from edgewise.api.units import seconds
from edgewise.core import gateway, placement
from edgewise.core.children import gateway as gateways
from edgewise.core.children import targets
from edgewise.core.children.gateway import Post
from edgewise.core.conditions import Verdict, moment, timestamp
from edgewise.core.deployment.view import View
from edgewise.core.gateway import Scene, Turn
from edgewise.core.observed import GatewaySeen, ObservedDeployment
from edgewise.core.outcome import Event, Manifest
from edgewise.core.progress import unasked_targets

FLAVOUR = "cpu"
"""Of the gateway's runtime image: it computes nothing, and goes to a node that is no device."""


@dataclass(frozen=True)
class Relief:
    """The gateway's part of one decision."""

    turn: Turn
    status: GatewayStatus | None
    """None: there is no gateway, and none is wanted."""
    workload: Manifest | None = None
    events: tuple[Event, ...] = ()
    remark: str = ""
    """For Ready's message; empty: the devices answer."""

    def told_in(self, status: EdgeDeploymentStatus) -> EdgeDeploymentStatus:
        served_by = None if self.status is None else "Gateway" if self.turn.serving else "Devices"
        return status.model_copy(update={"served_by": served_by, "gateway": self.status})

    def remarked(self, verdict: Verdict) -> Verdict:
        if not self.remark:
            return verdict
        finding = replace(verdict.finding, message=f"{verdict.finding.message}; {self.remark}")
        return replace(verdict, finding=finding)


def relief(observed: ObservedDeployment, seen: View | None, now: float) -> Relief:
    """seen: None where nothing is changed: then the gateway's workload stays as it is, and only the Service moves."""
    wished, there = gateways.wished(observed.deployment), observed.gateway
    if seen is None and not there.workload and not there.serving:
        return Relief(Turn(serving=False), observed.deployment.status.gateway)
    turn = gateway.turn(_scene(observed, wished), now)
    if wished is None:
        return Relief(turn, None)
    refusal = _refusal(observed, seen, wished) if seen is not None else ""
    workload = None
    if seen is not None and _image(observed) and (there.workload or not refusal):
        workload = gateways.workload(observed.deployment, wished, _post(observed, seen))
    status = _status(observed, turn, refusal, now)
    if workload is not None or there.workload:
        status = status.model_copy(update={"workload": gateways.name(observed.deployment.metadata.name)})
    return Relief(turn, status, workload, _events(observed, wished, turn), _remark(turn, status))


def _scene(observed: ObservedDeployment, wished: Gateway | None) -> Scene:
    there, recorded = observed.gateway, observed.deployment.status.gateway
    limits = wished or Gateway()
    return Scene(
        serving=there.serving,
        devices=sum(pod.endpoint for pod in observed.pods),
        gateways=sum(pod.endpoint for pod in there.pods),
        take_over_after=seconds(limits.take_over_after),
        give_back_after=seconds(limits.give_back_after),
        turning_since=moment(recorded.turning_since) if recorded is not None and _in_step(observed) else None,
        wanted=wished is not None,
    )


def _in_step(observed: ObservedDeployment) -> bool:
    """Whether the status knows who has the Service: it is written after the Service, and may come too late."""
    return observed.gateway.serving is (observed.deployment.status.served_by == "Gateway")


def _status(observed: ObservedDeployment, turn: Turn, refusal: str, now: float) -> GatewayStatus:
    """But for the workload's name."""
    there, old = observed.gateway, observed.deployment.status.gateway or GatewayStatus()
    known = observed.deployment.status.served_by == "Gateway"
    ready = sum(pod.endpoint for pod in there.pods)
    return GatewayStatus(
        ready=ready,
        took_over_at=timestamp(now) if turn.serving and not known else old.took_over_at,
        gave_back_at=timestamp(now) if known and not turn.serving else old.gave_back_at,
        turning_since=None if turn.turning_since is None else timestamp(turn.turning_since),
        reason="" if ready else (refusal or _trouble(there))[:1024],
    )


def _trouble(there: GatewaySeen) -> str:
    """In the words of the API server, the kubelet, the scheduler, or its own, where one of them says anything."""
    reports = [received.report for _, received in sorted(there.reports.items())]
    said = [f"the API server refuses its pods: {there.refused}"] if there.refused else []
    said += [pod.problem for pod in there.pods]
    said += [report.access.problem for report in reports if report.access is not None]
    said += [unasked_targets(report) for report in reports]
    return next(filter(None, said), "no pod of it is ready: it starts, or none of the targets is ready")


def _remark(turn: Turn, status: GatewayStatus) -> str:
    if turn.serving:
        alone = "" if status.ready else f", and cannot: {status.reason}"
        return f"the gateway answers for the devices since {status.took_over_at}{alone}"
    if turn.turning_since is not None and turn.wait is None:
        return f"no device is ready, and the gateway cannot answer: {status.reason}"
    return ""


def _events(observed: ObservedDeployment, wished: Gateway, turn: Turn) -> tuple[Event, ...]:
    """One when the status is about to tell of another hand than before."""
    if turn.serving is (observed.deployment.status.served_by == "Gateway"):
        return ()
    name = observed.deployment.metadata.name
    if turn.serving:
        text = f"no device was ready for {wished.take_over_after}: Service {name} leads to {gateways.name(name)}"
        return (Event("Warning", Reason.GATEWAY_TOOK_OVER, text),)
    text = f"Service {name} leads to the devices again"
    return (Event("Normal", Reason.GATEWAY_GAVE_BACK, text),)


def _refusal(observed: ObservedDeployment, seen: View, wished: Gateway) -> str:
    """Why there cannot be one; empty: there can."""
    if not _image(observed):
        return f"the operator has no runtime image {FLAVOUR!r}; set runtimeImages.{FLAVOUR} in the chart"
    where, profiles = observed.deployment.spec.placement, _profiles(seen)
    held = (node for node in observed.nodes if gateways.may_hold(node.labels, where, wished, profiles))
    if any(placement.tolerated(node.taints, wished.tolerations) for node in held):
        return ""
    if wished.node_selector:
        return "no node with the labels of escalation.gateway.nodeSelector takes it; correct them, or its tolerations"
    return "every node that would take it is a device; add another, or name nodes in escalation.gateway.nodeSelector"


def _post(observed: ObservedDeployment, seen: View) -> Post:
    recorded = observed.deployment.status.gateway
    pulled = {secret.name for c in seen.hosting for secret in c.profile.spec.pod.image_pull_secrets or ()}
    return Post(
        image=_image(observed),
        profiles=_profiles(seen),
        keys=tuple(sorted(set(targets.keys(observed.deployment)))),
        pull_secrets=tuple(sorted(pulled)),
        # As it is on record, not as it is decided now: the pods are replaced once for each time.
        gave_back_at=(recorded.gave_back_at if recorded else None) or "",
    )


def _image(observed: ObservedDeployment) -> str:
    """Upgrading the operator replaces the gateway's pods, one after another: it is no device."""
    settings = observed.settings
    return settings.images.get(FLAVOUR, "") or settings.default_images.get(FLAVOUR, "")


def _profiles(seen: View) -> tuple[str, ...]:
    return tuple(sorted(candidate.name for candidate in seen.hosting))
