"""Bodies from the API server -> the little we keep of them. Pure; the store calls it for every watch event.

A record's `digest` says what counts as a change: heartbeats of nodes, status of workloads and our own echoes do not.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from edgewise.api.base import Metadata, Status
from edgewise.api.deviceprofile import DeviceProfile
from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.edgemodel import EdgeModel
from edgewise.api.names import (
    DEPLOYMENT_LABEL,
    GROUP,
    MEMORY_ANNOTATION,
    PROFILE_LABEL,
    PROVEN_ANNOTATION,
    ROLE_LABEL,
    RUNTIME_ROLE,
    TEMPLATE_ANNOTATION,
    short_hash,
)
from edgewise.api.units import quantity
from edgewise.cluster.pods import condition, pod
from edgewise.cluster.resources import reference
from edgewise.contract.plan import PLAN_KEY
from edgewise.contract.plan import Plan as DevicePlan
from edgewise.core.children import storage, trust
from edgewise.core.children.pods import secrets_of
from edgewise.core.observed import Address, Node, ObjectRef, Snapshot, Workload

Body = Mapping[str, Any]


@dataclass(frozen=True)
class Owner:
    """The controller of an object."""

    kind: str
    name: str
    uid: str


@dataclass(frozen=True)
class Record:
    """What the store keeps of one object."""

    ref: ObjectRef
    value: Any
    """The projection: a pydantic kind, Unreadable, or one of core.observed."""
    digest: Hashable
    """Equal digests: nothing changed that any decision could see."""
    group: Hashable = None
    """What the record is looked up by beside its name."""
    owner: Owner | None = None
    created: str = ""


@dataclass(frozen=True)
class Unreadable:
    """A CR that does not parse (a newer or an older CRD): enough to say so in its status."""

    metadata: Metadata
    status: Status
    raw_status: Mapping[str, Any] = field(hash=False)
    """The whole of it, so that what it says of the devices is not lost."""
    error: str


@dataclass(frozen=True)
class Refusal:
    """The newest FailedCreate event of a workload."""

    workload: str
    message: str
    at: str
    """RFC 3339."""


def project(body: Body) -> Record:
    """The record of an object of any watched kind."""
    return _PROJECTIONS[body["kind"]](body)


def _custom(kind: type[EdgeDeployment] | type[EdgeModel] | type[DeviceProfile], body: Body) -> Record:
    meta = body["metadata"]
    seen = [meta.get(key) for key in ("uid", "generation", "labels", "annotations", "deletionTimestamp")]
    # A changed profile has all nodes and deployments looked at again; the count in its status is no reason to.
    status = None if kind is DeviceProfile else body.get("status")
    return Record(
        reference(body),
        _parsed(kind, body),
        digest=_hash([*seen, body.get("spec"), status]),
        group=meta.get("namespace", ""),
        created=meta.get("creationTimestamp", ""),
    )


def _parsed(
    kind: type[EdgeDeployment] | type[EdgeModel] | type[DeviceProfile], body: Body
) -> EdgeDeployment | EdgeModel | DeviceProfile | Unreadable:
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        raw = body.get("status") or {}
        return Unreadable(Metadata.model_validate(body["metadata"]), _status(raw), raw, _in_words(error))


def _status(raw: Mapping[str, Any]) -> Status:
    try:
        return Status.model_validate(raw)
    except ValidationError:
        return Status()


def _in_words(error: ValidationError, limit: int = 3) -> str:
    found = [f"{'.'.join(map(str, e['loc'])) or 'object'}: {e['msg']}" for e in error.errors(include_url=False)]
    more = f"; and {len(found) - limit} more" if len(found) > limit else ""
    return "; ".join(found[:limit]) + more


def _node(body: Body) -> Record:
    meta, status = body["metadata"], body.get("status", {})
    node = Node(
        name=meta["name"],
        labels=dict(meta.get("labels") or {}),
        ready=condition(status, "Ready").get("status") == "True",
        taints=tuple(body.get("spec", {}).get("taints") or ()),
        memory=_bytes(status.get("allocatable", {}).get("memory", "0")),
        created=meta.get("creationTimestamp") or "",
    )
    seen = [meta.get("uid"), node.labels, node.ready, node.taints, node.memory]
    return Record(reference(body), node, digest=_hash(seen))


def _bytes(text: str) -> int:
    try:
        return int(quantity(text))
    except ValueError:  # notations a kubelet does not use, such as 1e9: memory unknown
        return 0


def _pod(body: Body) -> Record:
    meta, value = body["metadata"], pod(body)
    group = (meta["namespace"], (meta.get("labels") or {}).get(DEPLOYMENT_LABEL, ""))
    return Record(reference(body), value, value, group, _owner(meta), meta.get("creationTimestamp", ""))


def _workload(body: Body) -> Record:
    meta, pod = body["metadata"], body.get("spec", {}).get("template", {}).get("spec", {})
    annotations, labels = meta.get("annotations") or {}, meta.get("labels") or {}
    disks = storage.of_pod(pod)
    workload = Workload(
        ref=reference(body),
        profile=labels.get(PROFILE_LABEL, ""),
        template=annotations.get(TEMPLATE_ANNOTATION, ""),
        image=(pod.get("containers") or [{}])[0].get("image", ""),
        memory=_whole(annotations.get(MEMORY_ANNOTATION)),
        secrets=secrets_of(pod),
        files=disks.files,
        claims=disks.claims,
        trust=trust.of(pod),
        role=labels.get(ROLE_LABEL, RUNTIME_ROLE),
        proven=annotations.get(PROVEN_ANNOTATION, ""),
        affinity=pod.get("affinity") or {},
        synced=body.get("status", {}).get("observedGeneration", 0) >= meta.get("generation", 0),
    )
    # The generation moves with the spec alone: the status of a rollout on 400 nodes is no change for us.
    owned = {key: value for key, value in annotations.items() if GROUP in key}
    seen = [meta.get("uid"), meta.get("generation"), meta.get("labels"), owned, meta.get("ownerReferences")]
    return _child(body, workload, _hash(seen))


def _whole(text: str | None) -> int:
    """A number somebody may have edited by hand; 0 then: it is written again."""
    return int(text) if text is not None and text.isdecimal() else 0


def _snapshot(body: Body) -> Record:
    return _child(body, Snapshot(reference(body), body.get("revision", 0), body.get("data") or {}))


def _service(body: Body) -> Record:
    spec = body.get("spec", {})
    return _child(body, Address(spec.get("clusterIP", ""), (spec.get("selector") or {}).get(ROLE_LABEL, "")))


def _config_map(body: Body) -> Record:
    try:
        plan = DevicePlan.model_validate_json((body.get("data") or {}).get(PLAN_KEY, ""))
    except ValidationError:  # damaged by hand, or not a plan: as good as absent, it is applied anew
        plan = None
    return _child(body, plan)


def _child(body: Body, value: Any, digest: Hashable = None) -> Record:
    """Where nobody else writes a status, any new resourceVersion is a change."""
    meta = body["metadata"]
    owner = _owner(meta)
    return Record(
        reference(body),
        value,
        digest or (meta.get("uid"), meta.get("resourceVersion")),
        owner.uid if owner else "",
        owner,
        meta.get("creationTimestamp", ""),
    )


def _event(body: Body) -> Record:
    about = body.get("involvedObject") or {}
    workload = about.get("name", "")
    if about.get("kind") == "ReplicaSet":  # <deployment>-<template hash>
        workload = workload.rpartition("-")[0]
    series = body.get("series") or {}
    at = series.get("lastObservedTime") or body.get("lastTimestamp") or body.get("eventTime") or ""
    refusal = Refusal(workload, body.get("message") or body.get("note") or "", at)
    # How often it was said again is no change.
    return Record(reference(body), refusal, (workload, refusal.message), (about.get("namespace", ""), workload))


def _owner(meta: Body) -> Owner | None:
    for reference_ in meta.get("ownerReferences") or ():
        if reference_.get("controller"):
            return Owner(reference_["kind"], reference_["name"], reference_["uid"])
    return None


def _hash(value: object) -> str:
    return short_hash(json.dumps(value, sort_keys=True, default=_plain), 32)


def _plain(value: object) -> object:
    return list(value) if isinstance(value, Iterable) else str(value)


_PROJECTIONS = {
    "EdgeDeployment": lambda body: _custom(EdgeDeployment, body),
    "EdgeModel": lambda body: _custom(EdgeModel, body),
    "DeviceProfile": lambda body: _custom(DeviceProfile, body),
    "Node": _node,
    "Pod": _pod,
    "DaemonSet": _workload,
    "Deployment": _workload,
    "ControllerRevision": _snapshot,
    "Service": _service,
    "ConfigMap": _config_map,
    "Event": _event,
}
