"""What a decision may look at: small frozen projections, gathered by the controller in one place before any thinking.

If a decision needs one more fact, add it here; nothing is fetched in the middle of thinking.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from edgewise.api.deviceprofile import DeviceProfile
from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.edgemodel import EdgeModel
from edgewise.api.names import RUNTIME_ROLE
from edgewise.contract.plan import Plan as DevicePlan
from edgewise.contract.report import Report
from edgewise.contract.trust import Policies


@dataclass(frozen=True)
class ObjectRef:
    """An object in the cluster. uid and resourceVersion are preconditions where it is deleted."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str = ""
    resource_version: str = ""


@dataclass(frozen=True)
class Node:
    """A node, as far as placement is concerned."""

    name: str
    labels: Mapping[str, str]
    ready: bool
    taints: tuple[Mapping[str, str], ...] = ()
    memory: int = 0
    """Allocatable memory, bytes."""
    created: str = ""
    """When it joined the cluster, RFC 3339."""


@dataclass(frozen=True)
class Pod:
    """A runtime pod. `ready`: its containers, in its kubelet's last word; a node that is cut off changes nothing."""

    name: str
    namespace: str
    uid: str
    node: str
    """Where it runs, or is meant to; empty while that is open."""
    ip: str
    ready: bool
    profile: str
    template: str
    """Hash of the pod template it was made from (annotation)."""
    deleting: bool = False
    problem: str = ""
    """Why it does not start, in the kubelet's or the scheduler's words (ImagePullBackOff: …, Unschedulable: …)."""
    role: str = RUNTIME_ROLE
    """Or GATEWAY_ROLE, or PULL_ROLE."""
    image: str = ""
    """That it wants to run."""
    pulled: bool = False
    """Its kubelet has that image."""
    created: float = 0.0
    """Seconds since the epoch."""
    endpoint: bool = False
    """Services send it requests: its Ready condition, which the node controller takes away when a node is cut off."""


@dataclass(frozen=True)
class Workload:
    """A DaemonSet or Deployment of ours."""

    ref: ObjectRef
    profile: str
    template: str
    """Hash of its present pod template (annotation)."""
    image: str
    memory: int = 0
    """Bytes of models its pods were made for (annotation); 0: unknown, or stated by a person."""
    secrets: tuple[str, ...] = ()
    """Keys of the Secrets its pods mount, as children/secrets.py writes them."""
    files: str = ""
    """Folder of the node that its pods mount for file:// sources."""
    claims: tuple[str, ...] = ()
    """PersistentVolumeClaims that they mount for pvc:// sources."""
    trust: Policies = field(default_factory=dict)
    """What its pods demand of models."""
    affinity: Mapping[str, Any] = field(default_factory=dict)
    """Of its pod template: which nodes it has pods on."""
    synced: bool = False
    """Its controller has acted on its present spec."""
    role: str = RUNTIME_ROLE
    """Or GATEWAY_ROLE, or PULL_ROLE."""
    proven: str = ""
    """What the last pod template was made from that its devices got along with (annotation), as children/podinputs.py
    writes it; empty: not on record."""


@dataclass(frozen=True)
class ReceivedReport:
    """The newest report of a pod, and when it came (seconds since the epoch)."""

    report: Report
    at: float
    node_unready: bool = False
    """Its node was not Ready when it came, so the device is back before its kubelet says so."""


@dataclass(frozen=True)
class Answer:
    """What came of one question to the Prometheus."""

    at: float
    """When it was asked (seconds since the epoch)."""
    value: float | None = None
    """The highest of its series; None: it has none, or none with a number."""
    where: str = ""
    """Labels of that series."""
    problem: str = ""
    """Why there is no answer; empty: there is."""
    mistaken: bool = False
    """The question itself is wrong: a person must correct it."""


@dataclass(frozen=True)
class Address:
    """A Service of ours."""

    cluster_ip: str
    role: str = ""
    """Of the pods it leads to; empty: it was made before there were gateways, and leads to devices."""


@dataclass(frozen=True)
class GatewaySeen:
    """What there is of a deployment's gateway."""

    serving: bool = False
    """The Service leads to it."""
    workload: bool = False
    """Its Deployment is there."""
    pods: tuple[Pod, ...] = ()
    reports: Mapping[str, ReceivedReport] = field(default_factory=dict)
    """Pod name -> its newest report."""
    refused: str = ""
    """Why the API server refuses its pods (FailedCreate); empty: it does not."""


@dataclass(frozen=True)
class Snapshot:
    """A ControllerRevision of ours: a model's revision or a deployment's release."""

    ref: ObjectRef
    number: int
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """What the administrator decided (chart values)."""

    images: Mapping[str, str] = field(default_factory=dict)
    """Runtime image per flavour (cpu, openvino, coral, jetson-6, jetson-7) that the administrator chose: rolled out."""
    default_images: Mapping[str, str] = field(default_factory=dict)
    """The same where nobody chose: for new workloads only, so that upgrading the operator restarts no device pod."""
    allowed_images: tuple[str, ...] = ()
    """Prefixes that spec.serving.image must have; empty: any. Images of DeviceProfiles are the administrator's own, and
    not looked at."""
    cache_root: str = ""
    """Folder of the nodes below which HostPath caches lie, a folder for each namespace; empty: there are none."""
    file_root: str = ""
    """Likewise, of files that file:// sources name."""
    report_url: str = ""
    report_ca: str = ""
    everywhere: bool = True
    """All namespaces are watched: a deployment that is not known does not exist."""
    label_grace: float = 300.0
    """Seconds a profile label stays on a node that no longer matches."""
    prometheus: bool = False
    """There is one that rollouts may ask."""


@dataclass(frozen=True)
class ObservedDeployment:
    """Everything the decision about one EdgeDeployment looks at."""

    deployment: EdgeDeployment
    settings: Settings
    models: Mapping[str, EdgeModel] = field(default_factory=dict)
    """Those of the namespace that exist and parse."""
    invalid_models: Mapping[str, str] = field(default_factory=dict)
    """Name -> why it does not parse."""
    profiles: tuple[DeviceProfile, ...] = ()
    """Those that parse."""
    invalid_profiles: Mapping[str, str] = field(default_factory=dict)
    """Name -> why it does not parse."""
    peers: Mapping[str, EdgeDeployment] = field(default_factory=dict)
    """The other EdgeDeployments of the namespace that parse, where one of them is an escalation target."""
    nodes: tuple[Node, ...] = ()
    pods: tuple[Pod, ...] = ()
    """Of devices; so are workloads and reports."""
    workloads: tuple[Workload, ...] = ()
    pulls: tuple[Pod, ...] = ()
    """Those that bring an image to their node, and do nothing else."""
    pullers: tuple[Workload, ...] = ()
    """Their DaemonSets."""
    gateway: GatewaySeen = GatewaySeen()
    refused: Mapping[str, str] = field(default_factory=dict)
    """Workload name -> why the API server refuses its pods (FailedCreate)."""
    releases: tuple[Snapshot, ...] = ()
    """Releases of this deployment, as ControllerRevisions keep them."""
    plan: DevicePlan | None = None
    """As the plan ConfigMap holds it now."""
    cluster_ips: Mapping[str, str] = field(default_factory=dict)
    """Service name -> cluster IP."""
    reports: Mapping[str, ReceivedReport] = field(default_factory=dict)
    """Pod name -> its newest report."""
    answers: Mapping[str, tuple[Answer, ...]] = field(default_factory=dict)
    """PromQL, as it is asked -> the last answers, the newest last."""
    heard_since: float = 0.0
    """When the operator began to take reports (seconds since the epoch): before, nobody could be heard."""
    held_since: Mapping[str, float] = field(default_factory=dict)
    """Node -> when its hold for this deployment was first seen as it is (seconds since the epoch)."""
    returned: frozenset[str] = frozenset()
    """Nodes that count as reachable although they are not Ready; see core/returned.py."""
    children: tuple[ObjectRef, ...] = ()
    """Every object this deployment owns."""
    complete: bool = True
    """Every kind has been listed once: absence means absence, so pruning is allowed."""

    @cached_property
    def online(self) -> frozenset[str]:
        """Names of the nodes whose kubelet is there: Ready by Kubernetes' own word."""
        return frozenset(node.name for node in self.nodes if node.ready)


@dataclass(frozen=True)
class ObservedModel:
    """Everything the decision about one EdgeModel looks at."""

    model: EdgeModel
    revisions: tuple[Snapshot, ...] = ()
    """ControllerRevisions it owns."""
    complete: bool = True


@dataclass(frozen=True)
class ObservedProfile:
    """Everything the decision about one DeviceProfile looks at."""

    profile: DeviceProfile
    nodes: tuple[Node, ...] = ()


@dataclass(frozen=True)
class ObservedNode:
    """Everything the decision about one node's labels looks at."""

    node: Node
    profiles: tuple[DeviceProfile, ...] = ()
    """Those that parse."""
    unmatched_since: Mapping[str, float] = field(default_factory=dict)
    """Profile -> when the node was first seen not to match although it carries the label."""
    settings: Settings = Settings()
    complete: bool = True
    invalid_profiles: frozenset[str] = frozenset()
    """Names of those that do not parse."""
    asked: Mapping[str, str] = field(default_factory=dict)
    """Deployment uid -> the profile that it wants the node to be held on; empty: it wants its hold gone."""
    deployments: frozenset[str] = frozenset()
    """Uids of all EdgeDeployments, unreadable ones too."""
    daemons: Mapping[str, tuple[Workload, ...]] = field(default_factory=dict)
    """Deployment uid -> its DaemonSets."""
