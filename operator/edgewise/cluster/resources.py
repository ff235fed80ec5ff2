"""Where each kind lives in the API, and which kinds we watch: a small table instead of discovery calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgewise.api.names import API_VERSION, MANAGED_BY
from edgewise.core.observed import ObjectRef


@dataclass(frozen=True)
class Resource:
    """One kind and its place in the API."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def group(self) -> str:
        """Empty for the core group."""
        group, _, version = self.api_version.rpartition("/")
        return group if version else ""

    @property
    def version(self) -> str:
        return self.api_version.rpartition("/")[2]

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """URL path of the collection, or of one object; without a namespace, the collection of all namespaces."""
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.api_version}"
        where = ["namespaces", namespace] if self.namespaced and namespace else []
        return "/".join(filter(None, [root, *where, self.plural, name, subresource]))


EDGE_DEPLOYMENT = Resource(API_VERSION, "EdgeDeployment", "edgedeployments")
EDGE_MODEL = Resource(API_VERSION, "EdgeModel", "edgemodels")
DEVICE_PROFILE = Resource(API_VERSION, "DeviceProfile", "deviceprofiles", namespaced=False)
NODE = Resource("v1", "Node", "nodes", namespaced=False)
POD = Resource("v1", "Pod", "pods")
DAEMON_SET = Resource("apps/v1", "DaemonSet", "daemonsets")
DEPLOYMENT = Resource("apps/v1", "Deployment", "deployments")
CONTROLLER_REVISION = Resource("apps/v1", "ControllerRevision", "controllerrevisions")
SERVICE = Resource("v1", "Service", "services")
CONFIG_MAP = Resource("v1", "ConfigMap", "configmaps")
CORE_EVENT = Resource("v1", "Event", "events")
EVENT = Resource("events.k8s.io/v1", "Event", "events")
SECRET = Resource("v1", "Secret", "secrets")
LEASE = Resource("coordination.k8s.io/v1", "Lease", "leases")

_ALL = (
    EDGE_DEPLOYMENT, EDGE_MODEL, DEVICE_PROFILE, NODE, POD, DAEMON_SET, DEPLOYMENT, CONTROLLER_REVISION, SERVICE,
    CONFIG_MAP, CORE_EVENT, EVENT, SECRET, LEASE,
)  # fmt: skip
_BY_KIND: Mapping[tuple[str, str], Resource] = {(resource.api_version, resource.kind): resource for resource in _ALL}


def resource_of(api_version: str, kind: str) -> Resource:
    """The entry of a kind. KeyError for one that edgewise has nothing to do with."""
    return _BY_KIND[api_version, kind]


def reference(body: Mapping[str, Any]) -> ObjectRef:
    """Who an object is, from its body."""
    meta = body["metadata"]
    return ObjectRef(
        body["apiVersion"],
        body["kind"],
        meta.get("namespace", ""),
        meta["name"],
        meta.get("uid", ""),
        meta.get("resourceVersion", ""),
    )


@dataclass(frozen=True)
class Watched:
    """A kind we watch, and the server-side selectors that keep other people's objects out of our memory."""

    resource: Resource
    label_selector: str = ""
    field_selector: str = ""


_OURS = f"{MANAGED_BY}=edgewise"

WATCHED = (
    Watched(EDGE_DEPLOYMENT),
    Watched(EDGE_MODEL),
    Watched(DEVICE_PROFILE),
    Watched(NODE),
    Watched(POD, _OURS),
    Watched(DAEMON_SET, _OURS),
    Watched(DEPLOYMENT, _OURS),
    Watched(CONTROLLER_REVISION, _OURS),
    Watched(SERVICE, _OURS),
    Watched(CONFIG_MAP, _OURS),
    Watched(CORE_EVENT, field_selector="reason=FailedCreate"),  # why a workload's pods are refused: said nowhere else
)
