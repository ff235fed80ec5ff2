"""A runtime pod as decisions see it: where it is meant to be, whether it answers, and why not.

Called by projections.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from edgewise.api.names import PROFILE_LABEL, ROLE_LABEL, RUNTIME_ROLE, TEMPLATE_ANNOTATION
from edgewise.core.observed import Pod

Body = Mapping[str, Any]


def pod(body: Body) -> Pod:
    meta, spec, status = body["metadata"], body.get("spec", {}), body.get("status", {})
    labels = meta.get("labels") or {}
    return Pod(
        name=meta["name"],
        namespace=meta["namespace"],
        uid=meta["uid"],
        node=spec.get("nodeName") or _meant_for(spec),
        ip=status.get("podIP", ""),
        # Ready is written by the node controller, too, and comes back late after a cut; this is the kubelet's alone.
        ready=condition(status, "ContainersReady").get("status") == "True",
        profile=labels.get(PROFILE_LABEL, ""),
        template=(meta.get("annotations") or {}).get(TEMPLATE_ANNOTATION, ""),
        deleting="deletionTimestamp" in meta,
        problem=_problem(status),
        role=labels.get(ROLE_LABEL, RUNTIME_ROLE),
        image=(spec.get("containers") or [{}])[0].get("image", ""),
        pulled=_pulled(status),
        created=_moment(meta.get("creationTimestamp")),
        endpoint=condition(status, "Ready").get("status") == "True" and "deletionTimestamp" not in meta,
    )


def condition(status: Body, kind: str) -> Body:
    return next((found for found in status.get("conditions") or () if found.get("type") == kind), {})


def _meant_for(spec: Body) -> str:
    """The node whose DaemonSet pod this is while the scheduler finds no room for it; empty for other pods."""
    required = (
        spec.get("affinity", {}).get("nodeAffinity", {}).get("requiredDuringSchedulingIgnoredDuringExecution", {})
    )
    for term in required.get("nodeSelectorTerms", ()):
        for wanted in term.get("matchFields", ()):
            if wanted["key"] == "metadata.name":
                return str(wanted["values"][0])
    return ""


_AFTER_THE_PULL = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "CrashLoopBackOff")


def _pulled(status: Body) -> bool:
    """By the kubelet's word for it, the id; which it does not give of a container that could not be made."""
    for container in status.get("containerStatuses", ()):
        waiting = container.get("state", {}).get("waiting") or {}
        if container.get("imageID") or waiting.get("reason") in _AFTER_THE_PULL:
            return True
    return False


def _moment(text: str | None) -> float:
    return datetime.fromisoformat(text).timestamp() if text else 0.0


_HARMLESS = ("ContainerCreating", "PodInitializing")


def _problem(status: Body) -> str:
    """In the scheduler's or the kubelet's own words; empty while everything goes its way."""
    scheduled = condition(status, "PodScheduled")
    if scheduled.get("status") == "False":
        return f"{scheduled.get('reason', 'Unschedulable')}: {scheduled.get('message', '')}".rstrip(": ")
    containers = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
    for container in containers:
        waiting = container.get("state", {}).get("waiting")
        if waiting and waiting.get("reason", "") not in _HARMLESS:
            return _waiting(container, waiting)
    if status.get("phase") == "Failed":
        return f"{status.get('reason', 'Failed')}: {status.get('message', '')}".rstrip(": ")
    return ""


def _waiting(container: Body, waiting: Body) -> str:
    """The same text for the same trouble: the kubelet alternates between trying and backing off."""
    reason, message = waiting.get("reason") or "Waiting", waiting.get("message", "")
    last = container.get("lastState", {}).get("terminated")
    if reason in ("ErrImagePull", "ImagePullBackOff"):
        cause = "" if message.startswith("Back-off") and "ErrImagePull: " not in message else message
        cause = cause.rpartition("ErrImagePull: ")[2]
        return f"ImagePullBackOff: cannot pull {container.get('image', 'the image')}: {cause}".rstrip(": ")
    if reason == "CrashLoopBackOff" and last:
        why = f"{last.get('reason', 'Error')}, exit code {last.get('exitCode')}"
        return f"{reason}: {last.get('message') or why}".strip()
    return f"{reason}: {message}".rstrip(": ")
