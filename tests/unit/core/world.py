"""A cluster in miniature around the pure decisions: what they write becomes what they see, and devices do as told.

It plays the API server's, the DaemonSet controller's and the runtime's part as far as a decision can see them, so that
whole rollouts can be told in a few lines, without I/O and without a clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from edgewise.api.deviceprofile import DeviceProfile
from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.edgemodel import EdgeModel
from edgewise.api.names import (
    PROFILE_LABEL,
    PULL_ROLE,
    ROLE_LABEL,
    RUNTIME_ROLE,
    TEMPLATE_ANNOTATION,
    hold_label,
)
from edgewise.contract.plan import PLAN_KEY
from edgewise.contract.plan import Plan as DevicePlan
from edgewise.contract.report import AccessReport, Counters
from edgewise.core import deployment as core
from edgewise.core import node as nodes
from edgewise.core.deployment.moves import SEEN_BY_ALL, SOON
from edgewise.core.observed import (
    Answer,
    GatewaySeen,
    Node,
    ObservedDeployment,
    ObservedNode,
    Pod,
    ReceivedReport,
    Settings,
    Workload,
)  # fmt: skip
from edgewise.core.outcome import Manifest, Plan
from tests.unit.core import builders
from tests.unit.core.builders import NOW, SETTINGS, UID
from tests.unit.core.gathered import door_of, gateway_of, pulled_by, ref_of, snapshot_of, workload_of
from tests.unit.core.scheduling import admits
from tests.unit.core.speeds import Speeds


@dataclass
class World:
    """Change its members, `settle`, and look at `status`, `plan`, `pods` and what each device serves."""

    nodes: dict[str, Node]
    profiles: list[DeviceProfile]
    models: dict[str, EdgeModel]
    deployment: EdgeDeployment
    settings: Settings = SETTINGS
    now: float = NOW
    children: dict[tuple[str, str], Manifest] = field(default_factory=dict)
    """By kind and name."""
    pods: dict[str, Pod] = field(default_factory=dict)
    serving: dict[str, str] = field(default_factory=dict)
    """Pod -> release it answers with."""
    reports: dict[str, ReceivedReport] = field(default_factory=dict)
    broken: set[tuple[str, str]] = field(default_factory=set)
    """(node, release) that does not load there."""
    slow: set[str] = field(default_factory=set)
    """Nodes whose new pods do not get ready for now."""
    speeds: Speeds = field(default_factory=Speeds)
    doors: dict[str, AccessReport | None] = field(default_factory=dict)
    """Pod template -> what pods of it demand of clients."""
    reconnected: set[str] = field(default_factory=set)
    """Nodes that are not Ready and have their link again: the kubelet is late, the device is not."""
    counters: dict[tuple[str, str], Counters] = field(default_factory=dict)
    """(node, release) -> what it answered so far."""
    mute: set[str] = field(default_factory=set)
    """Nodes whose devices do as told and report nothing."""
    answers: dict[str, tuple[Answer, ...]] = field(default_factory=dict)
    """PromQL -> what the Prometheus said of late."""
    heard_since: float = 0.0
    """When the operator started."""
    helping: bool = True
    """A target is ready, and so are the pods of a gateway."""
    complete: bool = True
    missing: dict[tuple[str, str], str] = field(default_factory=dict)
    """(node, image) that its kubelet cannot pull -> why, in the kubelet's words."""
    spoilt: dict[str, str] = field(default_factory=dict)
    """Image that does not start -> what the kubelet says of its pods."""
    asked: dict[str, str] = field(default_factory=dict)
    """Node -> profile that it shall be held on from the next look on; empty: on none any more."""
    held_since: dict[tuple[str, str], float] = field(default_factory=dict)
    """(node, profile that holds it) -> when that was first seen."""

    def observed(self) -> ObservedDeployment:
        """As the controller would gather it."""
        return ObservedDeployment(
            deployment=self.deployment,
            settings=self.settings,
            models=self.models,
            profiles=tuple(self.profiles),
            nodes=tuple(self.nodes.values()),
            pods=tuple(self.pods.values()),
            workloads=tuple(workload_of(child) for child in self._daemon_sets(RUNTIME_ROLE)),
            pulls=tuple(pod for child in self._daemon_sets(PULL_ROLE) for pod in pulled_by(child, self.missing)),
            pullers=tuple(workload_of(child) for child in self._daemon_sets(PULL_ROLE)),
            releases=tuple(
                snapshot_of(one) for (kind, _), one in self.children.items() if kind == "ControllerRevision"
            ),
            plan=self.plan,
            gateway=self.gateway,
            cluster_ips={name: "10.43.0.7" for kind, name in self.children if kind == "Service"},
            reports=self.reports,
            answers=self.answers,
            heard_since=self.heard_since,
            held_since={name: since for (name, _), since in self.held_since.items()},
            children=tuple(ref_of(child) for child in self.children.values()),
            complete=self.complete,
        )

    def _daemon_sets(self, role: str) -> list[Manifest]:
        made = (child for (kind, _), child in self.children.items() if kind == "DaemonSet")
        return [child for child in made if child["metadata"]["labels"][ROLE_LABEL] == role]

    @property
    def gateway(self) -> GatewaySeen:
        """Whose pods are made, and get ready, at once."""
        return gateway_of(self.children, self.helping)

    @property
    def plan(self) -> DevicePlan | None:
        held = self.children.get(("ConfigMap", "digits-plan"))
        return DevicePlan.model_validate_json(held["data"][PLAN_KEY]) if held else None

    @property
    def status(self) -> dict[str, Any]:
        return self.deployment.status.wire()

    @property
    def ready(self) -> tuple[str, str]:
        """Status and reason of Ready."""
        found = next(condition for condition in self.status["conditions"] if condition["type"] == "Ready")
        return found["status"], found["reason"]

    def served(self) -> dict[str, str]:
        """Node -> release its pod answers with."""
        return {self.pods[name].node: release for name, release in sorted(self.serving.items()) if name in self.pods}

    def edit(self, **spec: Any) -> None:
        """A person changes the spec."""
        whole = self.deployment.model_dump(mode="json", by_alias=True, exclude_none=True)
        whole["spec"] |= spec
        whole["metadata"]["generation"] += 1
        self.deployment = EdgeDeployment.model_validate(whole)

    def release(self, *models: EdgeModel) -> None:
        """A person changes models."""
        self.models |= {one.metadata.name: one for one in models}

    def cut(self, *names: str) -> None:
        self.nodes |= {name: replace(self.nodes[name], ready=False) for name in names}

    def heal(self, *names: str) -> None:
        self.nodes |= {name: replace(self.nodes[name], ready=True) for name in names}

    def reconnect(self, *names: str) -> None:
        self.reconnected |= set(names)

    def reconcile(self) -> Plan:
        """One look at the deployment, carried out."""
        self._label()
        outcome = core.decide(self.observed(), self.now)
        self.asked = {**outcome.hold, **dict.fromkeys(outcome.let_go, "")}
        for manifest in outcome.apply:
            self.children[manifest["kind"], manifest["metadata"]["name"]] = json.loads(json.dumps(manifest))
        if outcome.status is not None:
            whole = self.deployment.model_dump(mode="json", by_alias=True, exclude_none=True)
            whole["status"] = json.loads(json.dumps(outcome.status))
            self.deployment = EdgeDeployment.model_validate(whole)
        for ref in outcome.prune:
            del self.children[ref.kind, ref.name]
        for ref in outcome.delete:
            del self.pods[ref.name]
            self.serving.pop(ref.name, None)
            self.reports.pop(ref.name, None)
        return outcome

    def live(self) -> None:
        """DaemonSets make and take away pods, devices follow the plan; those that are cut do neither."""
        self._schedule()
        plan = self.plan
        for name, pod in self.pods.items():
            if pod.node in self.slow and name not in self.serving:
                continue
            if plan is not None and (self.nodes[pod.node].ready or pod.node in self.reconnected) and not pod.problem:
                self._follow(pod, plan)
            serves = name in self.serving
            self.pods[name] = replace(pod, ready=serves, endpoint=serves and self.nodes[pod.node].ready)

    def settle(self, rounds: int = 8) -> int:
        """Reconciles and lives until nothing changes any more; how many rounds that took. Moves get the time they take,
        and some rounds more for each."""
        count, most = 0, 0
        while count < rounds + 8 * most:
            before, again = self._state(), self.reconcile().requeue_after
            self.live()
            count, most = count + 1, max(most, len(self.held))
            if self._state() == before:
                if not self.held or again is None or again > SOON:
                    return count - 1
                self.now += SEEN_BY_ALL
        raise AssertionError(f"still changing after {count} rounds")

    def _state(self) -> str:
        return repr([self.deployment, self.children, self.pods, self.serving, self.reports])

    @property
    def held(self) -> dict[str, str]:
        """Node -> profile that it is held on."""
        key = hold_label(UID)
        return {name: node.labels[key] for name, node in self.nodes.items() if key in node.labels}

    def _label(self) -> None:
        daemons = self.observed().workloads
        self.nodes = {name: self._labelled(one, daemons) for name, one in self.nodes.items()}
        self.held_since = {held: self.held_since.get(held, self.now) for held in self.held.items()}

    def _labelled(self, one: Node, daemons: tuple[Workload, ...]) -> Node:
        asked = {UID: self.asked[one.name]} if one.name in self.asked else {}
        seen = ObservedNode(one, tuple(self.profiles), settings=self.settings, deployments=frozenset((UID,)))
        seen = replace(seen, asked=asked, daemons={UID: daemons})
        others = {key: value for key, value in one.labels.items() if not key.startswith(("profile.", "hold."))}
        return replace(one, labels={**others, **nodes.decide(seen, self.now).labels})

    def _schedule(self) -> None:
        wanted: dict[str, Pod] = {}
        for child in self._daemon_sets(RUNTIME_ROLE):
            name, template = child["metadata"]["name"], child["spec"]["template"]
            image = template["spec"]["containers"][0]["image"]
            profile = template["metadata"]["labels"][PROFILE_LABEL]
            made_from = template["metadata"]["annotations"][TEMPLATE_ANNOTATION]
            self.doors[made_from] = door_of(template["spec"])
            for one in self.nodes.values():
                if admits(template["spec"]["affinity"], one.labels):
                    pod = builders.pod(one.name, profile, False, made_from, name=f"{name}-{one.name}", image=image)
                    wanted[pod.name] = replace(pod, problem=self.spoilt.get(image, ""))
        for name in list(self.pods):
            if name not in wanted and self.nodes[self.pods[name].node].ready:
                del self.pods[name]
        self.pods = {**{name: pod for name, pod in wanted.items() if self.nodes[pod.node].ready}, **self.pods}
        self.serving = {name: release for name, release in self.serving.items() if name in self.pods}
        self.reports = {name: one for name, one in self.reports.items() if name in self.pods}

    def _runs(self, pod: Pod, plan: DevicePlan, release: str | None) -> bool:
        """Whether it has a build there and loads."""
        there = pod.profile in plan.profiles and release in plan.profiles[pod.profile].variants
        return there and (pod.node, release or "") not in self.broken

    def _follow(self, pod: Pod, plan: DevicePlan) -> None:
        wanted = plan.wanted(pod.node)
        runs = plan.profiles[pod.profile].variants.get(wanted) if pod.profile in plan.profiles else None
        failed = (pod.node, wanted) in self.broken
        variant = (runs or {}).get("digits", "fp32")
        if runs is not None and not failed:
            self.serving[pod.name] = wanted
        elif pod.name not in self.serving and self._runs(pod, plan, plan.stable):
            self.serving[pod.name] = plan.stable or ""
        said = builders.report(
            pod,
            self.serving.get(pod.name),
            wanted,
            state="Failed" if failed else "Ready",
            reason="LoadFailed" if failed else "",
            message="the graph has an unknown operator" if failed else "",
            sequence=plan.sequence,
            access=self.doors.get(pod.template),
            variant=variant,
            **(self.speeds.figures(pod, variant) if self.serving.get(pod.name) == wanted else {}),
        )
        counted = {release: count for (node, release), count in self.counters.items() if node == pod.node}
        report = said.report.model_copy(update={"counters": counted})
        if pod.node not in self.mute:
            self.reports[pod.name] = ReceivedReport(report, self.now, not self.nodes[pod.node].ready)


def world(
    nodes: Iterable[Node],
    profiles: Iterable[DeviceProfile] | None = None,
    models: Iterable[EdgeModel] | None = None,
    **spec: Any,
) -> World:
    """Nothing of the deployment exists yet."""
    known = list(models) if models is not None else [builders.model()]
    return World(
        {one.name: one for one in nodes},
        list(profiles) if profiles is not None else [builders.profile()],
        {one.metadata.name: one for one in known},
        builders.deployment(*(one.metadata.name for one in known), **spec),
    )
