"""Pods of an older template: which there are, which are deleted now for their DaemonSet to make them anew, and the
images that have to be on their nodes before.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgewise.core.children import pulls
from edgewise.core.deployment.availability import room
from edgewise.core.deployment.view import View
from edgewise.core.observed import ObservedDeployment, Pod
from edgewise.core.outcome import Manifest
from edgewise.core.rollout.openings import open_at


def outdated(observed: ObservedDeployment, seen: View) -> list[Pod]:
    """Pods of an older template that shall serve the target, those that do not serve first; on nodes whose kubelet
    can start a successor. One that is being deleted is still among them: a client's connection to it ends soon."""
    return [
        pod
        for pod in sorted(observed.pods, key=lambda pod: (pod.ready, pod.node))
        if seen.placed.nodes.get(pod.node) == pod.profile
        and pod.template != seen.templates.wanted[pod.profile].hash
        and pod.node in observed.online
    ]


def due(observed: ObservedDeployment, seen: View, now: float) -> list[Pod]:
    """Pods to delete now, for their DaemonSet to make anew from its template.

    Those that do not serve anyhow all at once; the others within what maxUnavailable leaves, and while the window is
    open; of a change that goes by waves, none before its wave. None before the DaemonSet has the template, none for an
    image that its node has not got, and none while the rollout is paused.
    """
    where, rollout, made = observed.deployment.spec.placement, observed.deployment.spec.rollout, seen.templates.wanted
    if where.mode != "PerNode" or rollout.paused:
        return []
    current = {w.profile for w in observed.workloads if w.profile in made and w.template == made[w.profile].hash}
    moving = seen.placed.moves  # they get a new pod anyway
    ripe = [
        pod
        for pod in outdated(observed, seen)
        if pod.profile in current and not pod.deleting and pod.node not in moving
    ]
    brought = _brought(observed)
    able = [
        pod
        for pod in ripe
        if _released(seen, pod)
        and (not _needs_image(seen, pod) or _cannot_start(pod) or (pod.node, _image(seen, pod)) in brought)
    ]
    most = 0 if the_window_is_shut(observed, seen, now) else room(observed, seen)
    return [pod for pod in able if not pod.ready] + [pod for pod in able if pod.ready][:most]


def the_window_is_shut(observed: ObservedDeployment, seen: View, now: float) -> bool:
    """For pods that serve; the way back waits for none."""
    window, back = observed.deployment.spec.rollout.window, seen.course.refused or seen.templates.refused
    return window is not None and not back and not open_at(window, now)


def pullers(observed: ObservedDeployment, seen: View) -> Iterator[Manifest]:
    """As long as there are pods to replace for another image, or nodes that move to one, a DaemonSet has it brought to
    the nodes whose turn it is. It names more and more of them: each change is a write."""
    if observed.deployment.spec.placement.mode != "PerNode":
        return
    waiting = [pod for pod in outdated(observed, seen) if _needs_image(seen, pod)]
    there, moving = {node.name for node in observed.nodes}, _moving_to_another_image(observed, seen)
    for candidate in seen.hosting:
        mine, made = [pod for pod in waiting if pod.profile == candidate.name], seen.templates.wanted[candidate.name]
        own = pulls.name(observed.deployment.metadata.name, candidate.name, made.image)
        nodes = {pod.node for pod in mine if _released(seen, pod)}
        nodes |= {node for node, goal in moving.items() if goal == candidate.name}
        for present in (workload for workload in observed.pullers if workload.ref.name == own):
            nodes |= there.intersection(pulls.named(present.affinity))
        if (mine or candidate.name in moving.values()) and nodes:
            yield pulls.daemon_set(observed.deployment, candidate.profile, made, nodes)


def unpulled(observed: ObservedDeployment, seen: View) -> dict[str, str]:
    """Node -> in the kubelet's words, why it cannot get the image that its next pod needs."""
    needed = {(pod.node, _image(seen, pod)) for pod in outdated(observed, seen) if _needs_image(seen, pod)}
    needed |= {(node, _identity(seen, goal)) for node, goal in _moving_to_another_image(observed, seen).items()}
    return {
        pull.node: pull.problem
        for pull in observed.pulls
        if pull.problem and not pull.pulled and (pull.node, pull.template) in needed
    }


def lacks_image(observed: ObservedDeployment, seen: View) -> frozenset[str]:
    """Nodes that are to move and have not got the image of their new profile yet."""
    brought = _brought(observed)
    moving = _moving_to_another_image(observed, seen).items()
    return frozenset(node for node, goal in moving if (node, _identity(seen, goal)) not in brought)


def _moving_to_another_image(observed: ObservedDeployment, seen: View) -> dict[str, str]:
    """Reachable node -> profile, where that has another image than the pod that serves there."""
    serving = {(pod.node, pod.profile): pod.image for pod in observed.pods if pod.ready}
    return {
        name: move.goal
        for name, move in seen.placed.moves.items()
        if move.possible
        and name in observed.online
        and (name, move.source) in serving
        and serving[name, move.source] != seen.templates.wanted[move.goal].image
    }


def _released(seen: View, pod: Pod) -> bool:
    """Whether its turn has come, as far as the waves are concerned."""
    if pod.profile not in seen.templates.profiles:
        return True
    return seen.stage.switch.all or pod.node in seen.stage.switch.nodes


def _needs_image(seen: View, pod: Pod) -> bool:
    return pod.image != seen.templates.wanted[pod.profile].image


def _cannot_start(pod: Pod) -> bool:
    return not pod.ready and bool(pod.problem)


def _brought(observed: ObservedDeployment) -> set[tuple[str, str]]:
    """(node, what was pulled there)."""
    return {(pull.node, pull.template) for pull in observed.pulls if pull.pulled and not pull.deleting}


def _image(seen: View, pod: Pod) -> str:
    return _identity(seen, pod.profile)


def _identity(seen: View, profile: str) -> str:
    return pulls.identity(profile, seen.templates.wanted[profile].image)
