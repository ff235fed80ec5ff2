"""A cluster in miniature around the pure decisions: what they write becomes what they see, and devices do as told.

It plays the API server's, the DaemonSet controller's and the runtime's part as far as a decision can see them, so that
whole rollouts can be told in a few lines, without I/O and without a clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from edgewise.api.deviceprofile import DeviceProfile
from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.edgemodel import EdgeModel
from edgewise.api.names import GATEWAY_ROLE, MEMORY_ANNOTATION, PROFILE_LABEL, ROLE_LABEL, TEMPLATE_ANNOTATION
from edgewise.contract.plan import PLAN_KEY
from edgewise.contract.plan import Plan as DevicePlan
from edgewise.contract.report import AccessReport, Counters, Demand
from edgewise.core import deployment as core
from edgewise.core import node as nodes
from edgewise.core.children import storage
from edgewise.core.children.pods import secrets_of
from edgewise.core.observed import (
    GatewaySeen,
    Node,
    ObjectRef,
    ObservedDeployment,
    ObservedNode,
    Pod,
    ReceivedReport,
    Settings,
    Snapshot,
    Workload,
)
from edgewise.core.outcome import Manifest, Plan
from tests.unit.core import builders
from tests.unit.core.builders import NAMESPACE, NOW, SETTINGS
from tests.unit.core.scheduling import admits

DEMANDS: dict[str, Demand] = {
    "EDGEWISE_TOKENS_FOLDER": "Token",
    "EDGEWISE_CERTIFICATE_FOLDER": "Certificate",
    "EDGEWISE_CLIENT_CA_FILE": "ClientCertificate",
}
Name = tuple[str, str]
"""Kind and name of a child."""


@dataclass
class Speeds:
    """How fast builds are in this world. Times are seconds; a build without one is not measured by its devices."""

    latency: dict[tuple[str, str], float] = field(default_factory=dict)
    """(profile, variant) -> time of a request."""
    fastest: dict[tuple[str, str], float] = field(default_factory=dict)
    """The same with the best number of threads, where that is another time."""
    factor: dict[str, float] = field(default_factory=dict)
    """Node -> how many times slower it is than others."""
    silent: set[str] = field(default_factory=set)
    """Nodes that measure nothing."""

    def figures(self, pod: Pod, variant: str) -> dict[str, Any]:
        """As a report has them."""
        latency, factor = self.latency.get((pod.profile, variant)), self.factor.get(pod.node, 1.0)
        if latency is None or pod.node in self.silent:
            return {}
        fastest = self.fastest.get((pod.profile, variant), latency)
        return {"latency": latency * factor, "fastest": fastest * factor, "throughput": 1 / latency / factor}


@dataclass
class World:
    """Change its members, `settle`, and look at `status`, `plan`, `pods` and what each device serves."""

    nodes: dict[str, Node]
    profiles: list[DeviceProfile]
    models: dict[str, EdgeModel]
    deployment: EdgeDeployment
    settings: Settings = SETTINGS
    now: float = NOW
    children: dict[Name, Manifest] = field(default_factory=dict)
    pods: dict[str, Pod] = field(default_factory=dict)
    serving: dict[str, str] = field(default_factory=dict)
    """Pod -> release it answers with."""
    reports: dict[str, ReceivedReport] = field(default_factory=dict)
    broken: set[tuple[str, str]] = field(default_factory=set)
    """(node, release) that does not load there."""
    speeds: Speeds = field(default_factory=Speeds)
    doors: dict[str, AccessReport | None] = field(default_factory=dict)
    """Pod template -> what pods of it demand of clients."""
    reconnected: set[str] = field(default_factory=set)
    """Nodes that are not Ready and have their link again: the kubelet is late, the device is not."""
    counters: dict[tuple[str, str], Counters] = field(default_factory=dict)
    """(node, release) -> what it answered so far."""
    mute: set[str] = field(default_factory=set)
    """Nodes whose devices do as told and report nothing."""
    heard_since: float = 0.0
    """When the operator started."""
    helping: bool = True
    """A target is ready, and so are the pods of a gateway."""
    complete: bool = True

    def observed(self) -> ObservedDeployment:
        """As the controller would gather it."""
        return ObservedDeployment(
            deployment=self.deployment,
            settings=self.settings,
            models=self.models,
            profiles=tuple(self.profiles),
            nodes=tuple(self.nodes.values()),
            pods=tuple(self.pods.values()),
            workloads=tuple(_workload(child) for (kind, _), child in self.children.items() if kind == "DaemonSet"),
            releases=tuple(_snapshot(one) for (kind, _), one in self.children.items() if kind == "ControllerRevision"),
            plan=self.plan,
            gateway=self.gateway,
            cluster_ips={name: "10.43.0.7" for kind, name in self.children if kind == "Service"},
            reports=self.reports,
            heard_since=self.heard_since,
            children=tuple(_ref(child) for child in self.children.values()),
            complete=self.complete,
        )

    @property
    def gateway(self) -> GatewaySeen:
        """Whose pods are made, and get ready, at once."""
        service = self.children.get(("Service", "digits"))
        made = self.children.get(("Deployment", "digits-gateway"))
        pods = [
            builders.pod("cloud", "", self.helping, name=f"digits-gateway-{i}", role=GATEWAY_ROLE)
            for i in range(made["spec"]["replicas"] if made else 0)
        ]
        leads_to = service["spec"]["selector"][ROLE_LABEL] if service else ""
        return GatewaySeen(leads_to == GATEWAY_ROLE, made is not None, tuple(pods))

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
            if plan is not None and (self.nodes[pod.node].ready or pod.node in self.reconnected):
                self._follow(pod, plan)
            serves = name in self.serving
            self.pods[name] = replace(pod, ready=serves, endpoint=serves and self.nodes[pod.node].ready)

    def settle(self, rounds: int = 8) -> int:
        """Reconciles and lives until nothing changes any more; how many rounds that took."""
        for count in range(rounds):
            before = self._state()
            self.reconcile()
            self.live()
            if self._state() == before:
                return count
        raise AssertionError(f"still changing after {rounds} rounds")

    def _state(self) -> str:
        written = [self.deployment, self.children, self.pods, self.serving, self.reports]
        return repr(written)

    def _label(self) -> None:
        for name, one in self.nodes.items():
            outcome = nodes.decide(ObservedNode(one, tuple(self.profiles), settings=self.settings), self.now)
            others = {key: value for key, value in one.labels.items() if not key.startswith("profile.")}
            self.nodes[name] = replace(one, labels={**others, **outcome.labels})

    def _schedule(self) -> None:
        wanted: dict[str, Pod] = {}
        for (kind, name), child in self.children.items():
            if kind != "DaemonSet":
                continue
            template = child["spec"]["template"]
            profile = template["metadata"]["labels"][PROFILE_LABEL]
            made_from = template["metadata"]["annotations"][TEMPLATE_ANNOTATION]
            self.doors[made_from] = _door(template["spec"])
            for one in self.nodes.values():
                if admits(template["spec"]["affinity"], one.labels):
                    pod = builders.pod(one.name, profile, ready=False, template=made_from, name=f"{name}-{one.name}")
                    wanted[pod.name] = pod
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


def _door(spec: Mapping[str, Any]) -> AccessReport | None:
    """What a runtime reads out of its environment."""
    told = {variable["name"] for variable in spec["containers"][0]["env"]}
    demands = [demand for name, demand in DEMANDS.items() if name in told]
    return AccessReport(demands=demands) if demands else None


def _ref(child: Mapping[str, Any]) -> ObjectRef:
    name = child["metadata"]["name"]
    return ObjectRef(child["apiVersion"], child["kind"], NAMESPACE, name, f"uid-of-{name}", "1")


def _snapshot(child: Mapping[str, Any]) -> Snapshot:
    return Snapshot(_ref(child), child["revision"], child["data"])


def _workload(child: Mapping[str, Any]) -> Workload:
    annotations, spec = child["metadata"]["annotations"], child["spec"]["template"]["spec"]
    disks = storage.of_pod(spec)
    return Workload(
        _ref(child),
        child["metadata"]["labels"][PROFILE_LABEL],
        annotations[TEMPLATE_ANNOTATION],
        spec["containers"][0]["image"],
        int(annotations[MEMORY_ANNOTATION]),
        secrets_of(spec),
        files=disks.files,
        claims=disks.claims,
    )
