"""What one look at an object comes to: the writes that make the world as it should be, and when to look again.

Three outcomes, not thirty exceptions: done (requeue_after None), wait (requeue_after seconds, Reconciling), stalled (a
person must act). Unexpected errors rise to the loop, which backs off.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from edgewise.api.base import Condition
from edgewise.core.observed import ObjectRef

Manifest = dict[str, Any]
"""A Kubernetes object as JSON; always our full intent, for server-side apply."""


@dataclass(frozen=True)
class Finding:
    """Why something is not as wanted, in words a tired person can act on."""

    reason: str
    message: str


@dataclass(frozen=True)
class Event:
    """An event on the reconciled object, sent after its status was written."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True)
class Poke:
    """A pod that shall report now: to learn of a new plan, or to show that it is back."""

    namespace: str
    pod: str
    ip: str
    insist: bool = True
    """Annotate the pod where it cannot be reached: a write, which is wasted on a device that is cut off."""


@dataclass(frozen=True)
class Plan:
    """Writes in the order in which they are carried out: hold, apply, status, events, then prune, delete, poke, let go.

    Nodes are let go once their status is written, which remembers where they came from.
    """

    apply: tuple[Manifest, ...] = ()
    """Children, by server-side apply under our field manager."""
    status: Manifest | None = None
    """The whole status of the object, written only where it differs from what is there."""
    events: tuple[Event, ...] = ()
    prune: tuple[ObjectRef, ...] = ()
    """Children no longer wanted, with uid and resourceVersion as preconditions."""
    delete: tuple[ObjectRef, ...] = ()
    """Pods to be replaced by their DaemonSet (OnDelete), with uid as precondition."""
    pokes: tuple[Poke, ...] = ()
    hold: Mapping[str, str] = field(default_factory=dict)
    """Node -> profile to hold it on."""
    let_go: tuple[str, ...] = ()
    """Nodes to take the hold from."""
    requeue_after: float | None = None


@dataclass(frozen=True)
class NodeLabels:
    """The labels a node shall carry (all of ours, for server-side apply), and when to look again."""

    labels: Mapping[str, str]
    changed: bool
    unmatched_since: Mapping[str, float]
    requeue_after: float | None = None


def conditions_by_type(conditions: Iterable[Condition] | None) -> dict[str, Condition]:
    return {condition.type: condition for condition in conditions or ()}
