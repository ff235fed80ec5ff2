"""How far a device is on its way to a changed pod, for the scene of a rollout: its pod's state before its release's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from edgewise.api.names import Reason
from edgewise.core.deployment.replacing import the_window_is_shut, unpulled
from edgewise.core.deployment.view import View
from edgewise.core.observed import ObservedDeployment, Pod
from edgewise.core.progress import NO_POD, NodeProgress, counting

BAD = (
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "InvalidImageName",
    "OutOf",  # memory, or another resource: the kubelet's word
    "RunContainerError",
    "Unschedulable",
)
"""How a pod's trouble begins where its template is to blame."""
SETTLING = 15.0
"""Seconds in which a pod may have such trouble: a scheduler hears late of what its predecessor has given back."""


@dataclass(frozen=True)
class PodProgress:
    """Of all devices of a deployment, at one look."""

    observed: ObservedDeployment
    seen: View
    pods: Mapping[tuple[str, str], Pod]
    unpulled: Mapping[str, str]
    """Node -> why it cannot get the image."""
    deadline: float
    """Seconds since the epoch: a device that cannot get the image by then has failed."""
    now: float

    @classmethod
    def of(cls, observed: ObservedDeployment, seen: View, deadline: float, now: float) -> PodProgress:
        return cls(observed, seen, counting(observed.pods), unpulled(observed, seen), deadline, now)

    def known(self, device: NodeProgress) -> NodeProgress:
        """The device with the state it has on its way to both. As it is where its pod does not change."""
        if device.profile not in self.seen.templates.profiles or device.state == "offline":
            return device
        pod = self.pods.get((device.name, device.profile))
        if pod is None:
            return replace(device, state="starting", reason="", message=NO_POD)
        if pod.deleting or pod.template != self.seen.templates.wanted[device.profile].hash:
            return self._before(device)
        return self._after(device, pod)

    def _before(self, device: NodeProgress) -> NodeProgress:
        """What it says of the release does not count: it may lack what only the new pod has."""
        why = self.unpulled.get(device.name)
        if why is None and the_window_is_shut(self.observed, self.seen, self.now):
            text = "its pod is made anew when spec.rollout.window is open"
            return replace(device, state="working", reason=Reason.WINDOW_CLOSED, message=text)
        if why is None:
            return replace(device, state="working", reason="", message="its pod is still the former one")
        late = self.now >= self.deadline
        return replace(device, state="failed" if late else "working", reason=Reason.IMAGE_NOT_PULLED, message=why)

    def _after(self, device: NodeProgress, pod: Pod) -> NodeProgress:
        if not pod.ready and pod.problem.startswith(BAD) and self.now - pod.created >= SETTLING:
            return replace(device, state="failed", reason="", message=pod.problem)
        if device.state == "updated" and not self._spoke(pod):
            return replace(device, state="waiting", reason="", message="it has not reported yet")
        return device

    def _spoke(self, pod: Pod) -> bool:
        """A pod that is older than this operator has spoken to the one before, if it could at all."""
        return pod.name in self.observed.reports or pod.created < self.observed.heard_since
