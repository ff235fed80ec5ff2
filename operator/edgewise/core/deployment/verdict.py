"""How far a deployment is: ordered checks over the view; the first that speaks is Ready's reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Sized
from dataclasses import replace

from edgewise.api.names import READY, RECONCILING, Reason
from edgewise.api.rollout import MoveStatus
from edgewise.core import conditions, peers, support
from edgewise.core.conditions import Verdict, moment
from edgewise.core.deployment.view import View
from edgewise.core.doubt import beyond_doubt
from edgewise.core.observed import ObservedDeployment
from edgewise.core.outcome import conditions_by_type
from edgewise.core.progress import UNPROVED, NodeProgress

PATIENCE = 600.0
"""Seconds more than maxUnavailable devices may be off goal before a promoted deployment stops being Ready."""

Check = Callable[[ObservedDeployment, View, float], Verdict | None]


def judge(observed: ObservedDeployment, view: View, now: float) -> Verdict:
    spoken = (check(observed, view, now) for check in CHECKS)
    return next(verdict for verdict in spoken if verdict is not None)


def allowance(view: View, max_unavailable: str) -> int:
    """Devices that may be away at the same time: the percentage of the reachable ones, at least one."""
    return max(1, len(view.reachable) * int(max_unavailable.rstrip("%")) // 100)


def model_is_gone(_: ObservedDeployment, view: View, __: float) -> Verdict | None:
    if not view.course.gone:
        return None
    return conditions.stalled(
        Reason.MODEL_GONE,
        f"EdgeModel {', '.join(view.course.gone)} was deleted; {view.target.name} is served on from its snapshot. "
        "Create the EdgeModel again, or delete this EdgeDeployment",
    )


def a_target_cannot_be_asked(observed: ObservedDeployment, _: View, __: float) -> Verdict | None:
    problems = peers.resolved(observed.deployment, observed.peers).problems
    if not problems:
        return None
    finding = next(iter(problems.values()))
    return conditions.stalled(finding.reason, f"{finding.message}. Devices serve on, and ask the others")


def nothing_is_placed(observed: ObservedDeployment, view: View, _: float) -> Verdict | None:
    """Says the first link that is missing between nodes and model."""
    word = view.stage.word
    if view.placed.nodes or (word is not None and word.reason == Reason.ROLLING_OUT):  # then some find a place now
        return None
    reason, message = _missing_link(observed, view)
    if view.placed.kept and view.stable is not None:
        message += f"; {_nodes(view.placed.kept)} still served by {view.stable.name}"
    elif observed.workloads:
        message += "; what runs is left as it is"
    return conditions.stalled(reason, message)


def _missing_link(observed: ObservedDeployment, view: View) -> tuple[str, str]:
    placed, where = view.placed, observed.deployment.spec.placement
    if placed.tainted and not placed.unplaced:
        untolerated = "have taints that placement.tolerations does not tolerate; add them there"
        return Reason.NO_MATCHING_NODE, f"the {_nodes(placed.tainted)} selected {untolerated}"
    if not placed.unplaced:
        selector = ", ".join(f"{key}={value}" for key, value in sorted(where.node_selector.items()))
        nowhere = f"no node has the labels of placement.nodeSelector ({selector})"
        return Reason.NO_MATCHING_NODE, nowhere if selector else "the cluster has no node"
    if not placed.matching:
        return Reason.NO_MATCHING_PROFILE, (
            f"no DeviceProfile matches the {_nodes(placed.unplaced)} selected; "
            "label a node edgewise.dev/device=<profile>, or add a DeviceProfile"
        )
    for node, why in sorted(placed.unplaced.items()):
        if why.startswith(Reason.INSUFFICIENT_MEMORY):
            need = why.removeprefix(f"{Reason.INSUFFICIENT_MEMORY}: ").partition("; keeps")[0]
            return Reason.INSUFFICIENT_MEMORY, f"{node}: {need}; add a smaller build, or lower serving.resources"
    misfits = "; ".join(f"{c.name} ({c.refusal})" for c in view.candidates if c.name in placed.matching)
    there = f"the {_nodes(placed.unplaced)} selected"
    if not misfits:
        return Reason.NO_FITTING_BUILD, f"placement.profiles names no profile of {there}; add one"
    return Reason.NO_FITTING_BUILD, f"no build fits {there}: {misfits}"


def a_release_was_rejected(observed: ObservedDeployment, view: View, _: float) -> Verdict | None:
    """The fleet serves the stable release, or is on its way back. Nothing else is tried by itself, whatever happens."""
    if not view.course.refused:
        return None
    text = f"{view.course.refused} was rejected{_why(observed, view.course.refused)}; {_tally(view)}"
    if failed := [device for device in view.devices if device.state == "failed"]:
        text += f". {_nodes(failed)} cannot serve it any more ({_named(failed)}): {failed[0].message}"
        return conditions.stalled(Reason.RETURN_FAILED, f"{text}. Mend those, or set a version that works")
    advice = f"change the model, or set spec.rollout.retry: {view.course.refused}"
    return conditions.stalled(Reason.RELEASE_REJECTED, f"{text}; to go on, {advice}")


def changed_pods_were_rejected(observed: ObservedDeployment, view: View, _: float) -> Verdict | None:
    """Pods are, or are being made, as they were before; whatever release goes on in them."""
    change = view.templates
    if not change.refused:
        return None
    online = {device.name for device in view.reachable}
    there = [pod for pod in observed.pods if pod.profile in change.wanted and pod.node in online and not pod.deleting]
    former = [pod for pod in there if pod.template == change.wanted[pod.profile].hash]
    text = f"{change.refused} was rejected{_why(observed, change.refused)}"
    text += f"; {len(former)} of {_nodes(view.reachable)} have pods as they were"
    if broken := [pod for pod in former if not pod.ready and pod.problem]:
        text += f". {broken[0].node} cannot run them any more: {broken[0].problem}"
        return conditions.stalled(Reason.RETURN_FAILED, f"{text}. Mend that, or set pods that work")
    advice = f"change what pods are made from (image, resources …), or set spec.rollout.retry: {change.refused}"
    return conditions.stalled(Reason.PODS_REJECTED, f"{text}; to go on, {advice}")


def _why(observed: ObservedDeployment, refused: str) -> str:
    """What was said when it was rejected; empty where something else has been on its way since."""
    recorded = observed.deployment.status.rollout
    if recorded is None or not recorded.reason or refused not in (recorded.release, recorded.pods):
        return ""
    return f": {recorded.reason}"


def its_wave_goes_no_further(observed: ObservedDeployment, view: View, now: float) -> Verdict | None:
    word, stands = view.stage.word, view.stage.status
    if word is None or stands is None:
        return None
    if word.reason in _POSSIBLY_REFUSED and (refused := pods_are_refused(observed, view, now)) is not None:
        return refused
    text = f"wave {stands.wave} of {stands.waves} of {view.rolling}: {word.message}; {_tally(view)}"
    if word.stance == "reject" and view.settled:
        return conditions.stalled(Reason.PODS_REJECTED, f"{text}; they are made as they were before")
    if word.stance == "reject":
        return conditions.stalled(Reason.RELEASE_REJECTED, f"{text}; the fleet returns to the stable release")
    if word.stance == "stuck":
        return conditions.stalled(word.reason, text)
    return replace(conditions.working(word.reason, text), quiet=word.reason in _STEPS)


def a_move_failed(_: ObservedDeployment, view: View, __: float) -> Verdict | None:
    """Nobody else moves there; whoever had tried is back."""
    move = view.transit.refused
    if move is None:
        return None
    advice = f"mend {move.to}, its image or the build for it; or set spec.rollout.retry: {move.to}"
    return conditions.stalled(Reason.MOVE_FAILED, f"{move.refused}; {_tally(view)}; to go on, {advice}")


_POSSIBLY_REFUSED = (Reason.WAITING_FOR_DEVICES, Reason.IMAGE_NOT_PULLED)
_STEPS = frozenset(
    (
        Reason.LISTENING,
        Reason.WAITING_FOR_DEVICES,
        Reason.DEVICES_SILENT,
        Reason.SOAKING,
        Reason.TOO_FEW_REQUESTS,
        Reason.QUERY_UNANSWERED,
        Reason.QUERY_ABOVE_MAX,
    )
)
"""Every wave goes through some of them, and devices on bad links through all of them again and again."""


def everything_serves(observed: ObservedDeployment, view: View, _: float) -> Verdict | None:
    """On the reachable nodes, that is; a promoted release needs none of them."""
    return _at_ease(observed, view) if view.arrived or (view.settled and not view.off) else None


def a_few_are_away(observed: ObservedDeployment, view: View, now: float) -> Verdict | None:
    """Once promoted, Ready stays True unless too many devices are off goal for too long."""
    if not view.settled:
        return None
    allowed = allowance(view, observed.deployment.spec.rollout.max_unavailable)
    if len(view.off) <= allowed and view.count("updated"):
        return _at_ease(observed, view)
    before = conditions_by_type(observed.deployment.status.conditions)
    if READY not in before or before[READY].status != "True":
        return None
    began = moment(before[RECONCILING].last_transition_time) if RECONCILING in before else None
    if began is not None and now - began > PATIENCE:
        return None
    return replace(_serving(observed, view), reconciling=True)


def devices_failed(_: ObservedDeployment, view: View, __: float) -> Verdict | None:
    failed = [device for device in view.devices if device.state == "failed"]
    if not failed:
        return None
    served_on = f"; they keep serving {view.stable.name}" if view.stable is not None and not view.settled else ""
    return conditions.stalled(
        failed[0].reason,
        f"{len(failed)} of {_nodes(view.reachable)} cannot serve {view.target.name} ({_named(failed)}): "
        f"{failed[0].message}{served_on}",
    )


def pods_are_refused(observed: ObservedDeployment, _: View, __: float) -> Verdict | None:
    if not observed.refused:
        return None
    workload, why = min(observed.refused.items())
    return conditions.stalled(Reason.PODS_REFUSED, f"the API server refuses the pods of {workload}: {why}")


def still_going(observed: ObservedDeployment, view: View, _: float) -> Verdict | None:
    """Always speaks: it is the last."""
    if not view.reachable:
        return conditions.working(Reason.STARTING, f"{_nodes(view.devices)} offline; waiting for one")
    text = f"{_tally(view)}{_trouble(view)}"
    if observed.deployment.spec.rollout.paused and view.stable is not None and not view.settled:
        return conditions.working(Reason.PAUSED, f"{text}; spec.rollout.paused holds the others")
    usual = Reason.STARTING if view.stable is None or view.settled else Reason.ROLLING_OUT
    return conditions.working(next((device.reason for device in view.off if device.reason), usual), text)


def _at_ease(observed: ObservedDeployment, view: View) -> Verdict:
    """Serving; at work all the same where nodes move."""
    return replace(_serving(observed, view), reconciling=view.transit.again is not None)


def _serving(observed: ObservedDeployment, view: View) -> Verdict:
    text = f"{_tally(view)}{_trouble(view)}"
    if offline := view.count("offline"):
        text += f"; {offline} offline"
    if view.placed.unplaced:
        text += f"; {len(view.placed.unplaced)} unplaced"
    if unproved := [device for device in view.devices if device.state == "updated" and device.reason in UNPROVED]:
        told = f"{_named(unproved)} would not take it again: {unproved[0].message}"
        return conditions.serving(unproved[0].reason, f"{text}; {told}")
    if unasking := [device for device in view.devices if device.reason == Reason.TARGET_NOT_READY]:
        return conditions.serving(Reason.TARGET_NOT_READY, f"{text}; {_named(unasking)}: {unasking[0].message}")
    remarks = [beyond_doubt(observed.deployment.spec, view.target)]
    if ignored := support.ignored_in_deployment(observed.deployment.spec):
        remarks.append(f"{support.REMARK}: {', '.join(ignored)}")
    if any(remarks):
        return conditions.serving(Reason.FIELDS_NOT_ACTED_ON, "; ".join([text, *filter(None, remarks)]))
    return conditions.serving(Reason.SERVING, text)


def _tally(view: View) -> str:
    told = f"{view.count('updated')} of {len(view.reachable)} reachable nodes serve {view.target.name}"
    return f"{told}; moving: {', '.join(map(_way, view.transit.moves))}" if view.transit.moves else told


def _way(move: MoveStatus) -> str:
    told = f"{move.moved} of {move.nodes} from {move.origin} to {move.to}"
    return f"{told} (wave {move.wave} of {move.waves}; {move.reason})" if move.reason else told


def _trouble(view: View) -> str:
    """What one of the devices that are off says, a device with a reason first; empty when none says anything."""
    telling = sorted((device for device in view.off if device.reason or device.message), key=lambda d: not d.reason)
    return f"; {telling[0].name}: {telling[0].message or telling[0].reason}" if telling else ""


def _named(devices: Sequence[NodeProgress], limit: int = 3) -> str:
    names = [device.name for device in devices]
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def _nodes(some: Sized) -> str:
    return f"{len(some)} node{'' if len(some) == 1 else 's'}"


CHECKS: tuple[Check, ...] = (
    model_is_gone,  # a person must act, though everything still answers
    a_target_cannot_be_asked,  # likewise
    nothing_is_placed,  # no node, no profile, no build, no room
    a_release_was_rejected,
    changed_pods_were_rejected,
    a_move_failed,
    its_wave_goes_no_further,  # what it waits for, or what speaks against the release
    everything_serves,
    a_few_are_away,  # promoted: one bad device cannot take Ready away from a fleet
    devices_failed,  # somebody tried the target and could not
    pods_are_refused,  # admission (Pod Security, quota) says no
    still_going,
)
