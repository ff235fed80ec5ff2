"""Where each device stands on the way to the target release: read from reports, pods and node readiness, no more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from edgewise.api.names import Reason
from edgewise.contract.report import Report
from edgewise.core.children import access, trust
from edgewise.core.observed import ObservedDeployment, Pod

State = Literal["offline", "starting", "waiting", "working", "failed", "updated"]

_REASONS = frozenset(value for name, value in vars(Reason).items() if name.isupper())
NO_POD = "no pod yet"
UNPROVED = frozenset(
    {
        Reason.SIGNATURE_INVALID,
        Reason.PUBLIC_KEY_MISSING,
        Reason.VERSION_TOO_OLD,
        Reason.SIGNATURE_EXPIRED,
        Reason.CLOCK_UNTRUSTED,
    }
)
"""Why a device takes no version, or would not take the one again that it serves on."""


@dataclass(frozen=True)
class Goal:
    """What the devices of a deployment are on their way to."""

    release: str
    settled: bool
    """It is the stable release already, so that a ready pod is trusted without a report."""


@dataclass(frozen=True)
class NodeProgress:
    """One placed node (in Replicas mode: one pod)."""

    name: str
    profile: str
    state: State
    """offline: the cluster cannot reach it. starting: no pod that answers yet. waiting: its pod has not reported.
    working: on its way to the target. failed: it tried. updated: it serves the target."""
    ready: bool = False
    """Its pod answers requests."""
    reason: str = ""
    """From names.Reason, whatever the device sent."""
    message: str = ""
    provider: str = ""
    """Execution provider of its first model."""


def progress(observed: ObservedDeployment, placed: Mapping[str, str], goal: Goal) -> tuple[NodeProgress, ...]:
    """PerNode mode, sorted by node. placed: node -> profile."""
    pods = counting(observed.pods)
    online = reachable(observed)
    return tuple(
        _on_node(observed, name, profile, pods.get((name, profile)), goal)
        if name in online
        else NodeProgress(name, profile, "offline")
        for name, profile in sorted(placed.items())
    )


def replicas_progress(observed: ObservedDeployment, goal: Goal) -> tuple[NodeProgress, ...]:
    """Replicas mode: one entry a wanted pod, the ones furthest along first."""
    replicas, online = observed.deployment.spec.placement.replicas, reachable(observed)
    running = [
        NodeProgress(pod.name, pod.profile, "offline")
        if pod.node and pod.node not in online
        else _of(observed, pod.name, pod, goal)
        for pod in observed.pods
        if not pod.deleting
    ]
    running.sort(key=lambda device: (device.state != "updated", not device.ready, device.name))
    missing = range(len(running), replicas)
    return (*running[:replicas], *(NodeProgress(f"replica-{i}", "", "starting", message=NO_POD) for i in missing))


def reachable(observed: ObservedDeployment) -> frozenset[str]:
    """Names of the nodes whose Ready condition is True, or whose device has shown that it is back."""
    return observed.online | observed.returned


def answering(observed: ObservedDeployment) -> list[Pod]:
    """Running pods on reachable nodes: those that can be told something."""
    online = reachable(observed)
    return [pod for pod in observed.pods if pod.ip and pod.node in online and not pod.deleting]


def behind(observed: ObservedDeployment, sequence: int, settled: bool) -> list[Pod]:
    """Of those, the ones that do not follow plan `sequence` yet: worth a poke.

    While settled, a pod that has not reported (the operator just started) is left to its own interval.
    """

    def follows(pod: Pod) -> bool:
        received = observed.reports.get(pod.name)
        return settled if received is None else received.report.sequence >= sequence

    return [pod for pod in answering(observed) if not follows(pod)]


def gateways_behind(observed: ObservedDeployment, sequence: int) -> list[Pod]:
    """Pods of the gateway, on nodes that can be reached, that have said they follow an older plan."""
    online, told = reachable(observed), observed.gateway.reports
    there = [pod for pod in observed.gateway.pods if pod.ip and pod.node in online and not pod.deleting]
    return [pod for pod in there if pod.name in told and told[pod.name].report.sequence < sequence]


def counting(pods: Iterable[Pod]) -> dict[tuple[str, str], Pod]:
    """(node, profile) -> the pod that counts there: one that is not being deleted, and of those a ready one."""
    ranked = sorted(pods, key=lambda pod: (not pod.deleting, pod.ready, pod.name))
    return {(pod.node, pod.profile): pod for pod in ranked if pod.node}


def _on_node(observed: ObservedDeployment, name: str, profile: str, pod: Pod | None, goal: Goal) -> NodeProgress:
    if pod is None:
        return NodeProgress(name, profile, "starting", message=NO_POD)
    return _of(observed, name, pod, goal)


def _of(observed: ObservedDeployment, name: str, pod: Pod, goal: Goal) -> NodeProgress:
    received = observed.reports.get(pod.name)
    if received is not None:
        if open_to := _open(observed, received.report):
            return NodeProgress(name, pod.profile, "working", pod.ready, Reason.ACCESS_NOT_READY, open_to)
        if unsigned := _unsigned(observed, received.report):
            return NodeProgress(name, pod.profile, "working", pod.ready, Reason.SIGNATURE_INVALID, unsigned)
        return _reported(name, pod, received.report, goal.release)
    if pod.ready and goal.settled:
        return NodeProgress(name, pod.profile, "updated", ready=True)
    return NodeProgress(name, pod.profile, "waiting" if pod.ready else "starting", pod.ready, message=pod.problem)


def _reported(name: str, pod: Pod, report: Report, target: str) -> NodeProgress:
    provider = next((model.provider for model in report.models if model.provider), "")
    if report.serving == target:
        state: State = "updated" if pod.ready else "starting"
        reason, message = _complaint(report, pod.ready) or ("", pod.problem)
        return NodeProgress(name, pod.profile, state, pod.ready, reason, message, provider)
    if report.release != target:
        return NodeProgress(name, pod.profile, "working", pod.ready, message=pod.problem)
    failed = next((model for model in report.models if model.state == "Failed"), None)
    if failed is not None:
        reason = failed.reason if failed.reason in _REASONS else Reason.LOAD_FAILED
        return NodeProgress(name, pod.profile, "failed", pod.ready, reason, failed.message)
    held_up = next((model for model in report.models if model.reason in _REASONS), None)
    if held_up is not None:
        return NodeProgress(name, pod.profile, "working", pod.ready, held_up.reason, held_up.message)
    return NodeProgress(name, pod.profile, "working", pod.ready, message=pod.problem)


def _open(observed: ObservedDeployment, report: Report) -> str:
    """Why a device lets in whom serving.auth does not mean; empty: it does not."""
    said = report.access.demands if report.access is not None else []
    missing = [demand for demand in access.demanded(observed.deployment.spec.serving.auth) if demand not in said]
    if not missing:
        return ""
    return (
        f"its pod does not demand {', '.join(missing)} of clients, as serving.auth says; it is to be replaced, or its "
        f"image (runtime {report.runtime_version or 'unknown'}) is too old for that"
    )


def _unsigned(observed: ObservedDeployment, report: Report) -> str:
    """Why a device serves what nobody has shown it a signature of, although spec.verification asks for one; empty: it
    does not."""
    asking = {name for name, model in observed.models.items() if trust.demanded(model.spec) is not None}
    served = [model.name for model in report.models if model.state == "Ready" and not model.signer]
    missing = sorted(asking.intersection(served))
    if not missing:
        return ""
    return (
        f"its pod serves {', '.join(missing)} without a signature, which spec.verification asks for; it has not heard "
        f"of that yet, or its image (runtime {report.runtime_version or 'unknown'}) is too old for it"
    )


def _complaint(report: Report, ready: bool) -> tuple[str, str] | None:
    """What a device that serves the target is not content with."""
    if report.access is not None and report.access.problem:
        return Reason.ACCESS_NOT_READY, report.access.problem
    telling = next((model for model in report.models if model.reason in {Reason.ACCELERATOR_LOST, *UNPROVED}), None)
    if telling is not None:
        return telling.reason, telling.message
    if not ready:  # that is the greater trouble
        return None
    return (Reason.TARGET_NOT_READY, unasked) if (unasked := unasked_targets(report)) else None


def unasked_targets(report: Report) -> str:
    """What is wrong with Secrets of its targets; empty: nothing."""
    return "; ".join(f"target {name} is not asked: {why}" for name, why in sorted(report.targets.items()))
