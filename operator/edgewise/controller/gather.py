"""Collects from the store, and from nowhere else, what one decision looks at. Called by the reconcilers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from edgewise.api.deviceprofile import DeviceProfile
from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.edgemodel import EdgeModel
from edgewise.api.names import GATEWAY_ROLE, PULL_ROLE, RUNTIME_ROLE
from edgewise.cluster.projections import Record, Refusal, Unreadable
from edgewise.cluster.resources import (
    CONFIG_MAP,
    CONTROLLER_REVISION,
    CORE_EVENT,
    DAEMON_SET,
    DEPLOYMENT,
    DEVICE_PROFILE,
    EDGE_DEPLOYMENT,
    EDGE_MODEL,
    NODE,
    POD,
    SERVICE,
    Resource,
)  # fmt: skip
from edgewise.cluster.store import Store
from edgewise.contract.plan import Plan as DevicePlan
from edgewise.controller.holds import Holds
from edgewise.controller.keys import Key
from edgewise.controller.reportbook import ReportBook
from edgewise.core import peers
from edgewise.core.observed import (
    Address,
    Answer,
    GatewaySeen,
    Node,
    ObservedDeployment,
    ObservedModel,
    ObservedNode,
    ObservedProfile,
    Pod,
    Settings,
    Snapshot,
    Workload,
)  # fmt: skip

_CHILDREN = (CONFIG_MAP, CONTROLLER_REVISION, DAEMON_SET, DEPLOYMENT, SERVICE)
_WORKLOADS = (DAEMON_SET, DEPLOYMENT)


class Gatherer:
    """The store and the reports, seen from one object. None: the object does not exist (any more)."""

    def __init__(
        self,
        store: Store,
        reports: ReportBook,
        settings: Callable[[], Settings],
        answers: Callable[[], Mapping[str, tuple[Answer, ...]]] = dict,
        holds: Holds | None = None,
    ) -> None:
        """holds: None where nobody writes labels of nodes."""
        self._store = store
        self._reports = reports
        self._settings = settings
        self._answers = answers
        self._holds = holds

    def deployment(self, key: Key) -> ObservedDeployment | None:
        """For an EdgeDeployment that parses."""
        value = self._value(EDGE_DEPLOYMENT, key)
        if not isinstance(value, EdgeDeployment):
            return None
        uid = value.metadata.uid
        models = {record.ref.name: record.value for record in self._store.shelf(EDGE_MODEL).group(key.namespace)}
        workloads, pullers = (self._workloads(uid, role) for role in (RUNTIME_ROLE, PULL_ROLE))
        gateway, reports = self._gateway(key, uid), self._reports.of(key.namespace, key.name)
        return ObservedDeployment(
            deployment=value,
            settings=self._settings(),
            models={name: model for name, model in models.items() if isinstance(model, EdgeModel)},
            invalid_models={name: model.error for name, model in models.items() if isinstance(model, Unreadable)},
            profiles=self.profiles(),
            invalid_profiles=self.invalid_profiles(),
            peers=self._peers(value),
            nodes=self.nodes(),
            pods=tuple(self._pods(key, RUNTIME_ROLE)),
            workloads=tuple(workloads),
            pulls=tuple(self._pods(key, PULL_ROLE)),
            pullers=tuple(pullers),
            gateway=gateway,
            refused=self._refused(key, [*workloads, *pullers]),
            releases=self._snapshots(uid),
            plan=self.plan(uid),
            cluster_ips={name: address.cluster_ip for name, address in self._addresses(uid).items()},
            reports={pod: report for pod, report in reports.items() if pod not in gateway.reports},
            answers=self._answers(),
            heard_since=self._reports.since,
            held_since=self._holds.since(uid, self.nodes()) if self._holds is not None else {},
            children=tuple(record.ref for record in self._owned(uid, *_CHILDREN)),
            complete=self._store.complete,
        )

    def model(self, key: Key) -> ObservedModel | None:
        """For an EdgeModel that parses."""
        value = self._value(EDGE_MODEL, key)
        if not isinstance(value, EdgeModel):
            return None
        return ObservedModel(value, self._snapshots(value.metadata.uid), self._store.complete)

    def profile(self, key: Key) -> ObservedProfile | None:
        """For a DeviceProfile that parses."""
        value = self._value(DEVICE_PROFILE, key)
        return ObservedProfile(value, self.nodes()) if isinstance(value, DeviceProfile) else None

    def node(self, key: Key, unmatched_since: Mapping[str, float]) -> ObservedNode | None:
        value = self._value(NODE, key)
        if not isinstance(value, Node):
            return None
        return ObservedNode(
            node=value,
            profiles=self.profiles(),
            unmatched_since=unmatched_since,
            settings=self._settings(),
            complete=self._store.complete,
            invalid_profiles=frozenset(self.invalid_profiles()),
            asked=self._holds.asked(key.name) if self._holds is not None else {},
            deployments=frozenset(record.ref.uid for record in self._store.shelf(EDGE_DEPLOYMENT).all()),
            daemons=self._daemons(),
        )

    def nodes(self) -> tuple[Node, ...]:
        return tuple(record.value for record in self._store.shelf(NODE).all())

    def profiles(self) -> tuple[DeviceProfile, ...]:
        """Those that parse."""
        values = (record.value for record in self._store.shelf(DEVICE_PROFILE).all())
        return tuple(value for value in values if isinstance(value, DeviceProfile))

    def invalid_profiles(self) -> dict[str, str]:
        """Name -> why it does not parse."""
        records = self._store.shelf(DEVICE_PROFILE).all()
        return {record.ref.name: record.value.error for record in records if isinstance(record.value, Unreadable)}

    def plan(self, uid: str) -> DevicePlan | None:
        """The plan that the ConfigMap of the deployment with this uid holds now."""
        plans = (record.value for record in self._owned(uid, CONFIG_MAP))
        return next((plan for plan in plans if isinstance(plan, DevicePlan)), None)

    def _gateway(self, key: Key, uid: str) -> GatewaySeen:
        pods, workloads = tuple(self._pods(key, GATEWAY_ROLE)), self._workloads(uid, GATEWAY_ROLE)
        reports, address = self._reports.of(key.namespace, key.name), self._addresses(uid).get(key.name)
        return GatewaySeen(
            serving=address is not None and address.role == GATEWAY_ROLE,
            workload=bool(workloads),
            pods=pods,
            reports={pod.name: reports[pod.name] for pod in pods if pod.name in reports},
            refused=next(iter(self._refused(key, workloads).values()), ""),
        )

    def _peers(self, deployment: EdgeDeployment) -> dict[str, EdgeDeployment]:
        """Nobody's, where no target is another deployment."""
        if not peers.named(deployment):
            return {}
        records = self._store.shelf(EDGE_DEPLOYMENT).group(deployment.metadata.namespace)
        found = {record.ref.name: record.value for record in records if isinstance(record.value, EdgeDeployment)}
        return {name: peer for name, peer in found.items() if name != deployment.metadata.name}

    def _pods(self, key: Key, role: str) -> list[Pod]:
        records = self._store.shelf(POD).group((key.namespace, key.name))
        return [record.value for record in records if record.value.role == role]

    def _workloads(self, uid: str, role: str) -> list[Workload]:
        return [record.value for record in self._owned(uid, *_WORKLOADS) if record.value.role == role]

    def _daemons(self) -> dict[str, tuple[Workload, ...]]:
        """Of devices, by the uid of their deployment."""
        found = defaultdict[str, list[Workload]](list)
        for record in self._store.shelf(DAEMON_SET).all():
            if record.owner is not None and record.value.role == RUNTIME_ROLE:
                found[record.owner.uid].append(record.value)
        return {uid: tuple(workloads) for uid, workloads in found.items()}

    def _addresses(self, uid: str) -> dict[str, Address]:
        return {record.ref.name: record.value for record in self._owned(uid, SERVICE)}

    def _value(self, resource: Resource, key: Key) -> Any:
        record = self._store.shelf(resource).get(key.namespace, key.name)
        return record.value if record is not None else None

    def _owned(self, uid: str, *resources: Resource) -> list[Record]:
        return [record for resource in resources for record in self._store.shelf(resource).group(uid)]

    def _snapshots(self, uid: str) -> tuple[Snapshot, ...]:
        return tuple(record.value for record in self._owned(uid, CONTROLLER_REVISION))

    def _refused(self, key: Key, workloads: Iterable[Workload]) -> dict[str, str]:
        """A refusal counts until the workload got a pod after it."""
        pods = self._store.shelf(POD).group((key.namespace, key.name))
        refused = {}
        for workload in workloads:
            mine = (pod for pod in pods if (pod.value.role, pod.value.profile) == (workload.role, workload.profile))
            newest = max((pod.created for pod in mine), default="")
            refusals: list[Refusal] = [
                record.value for record in self._store.shelf(CORE_EVENT).group((key.namespace, workload.ref.name))
            ]
            last = max(refusals, key=lambda refusal: refusal.at, default=None)
            if last is not None and last.at >= newest:
                refused[workload.ref.name] = last.message
        return refused
