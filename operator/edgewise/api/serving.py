"""How the devices of an EdgeDeployment serve: queue, cache, switch, and who may ask."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edgewise.api.access import Auth, RateLimit
from edgewise.api.base import (
    DnsName,
    Image,
    Model,
    Path,
    Quantity,
    ResourceRequirements,
    Rule,
)


class Cache(Model):
    """Where devices keep model files."""

    type: Literal["Ephemeral", "HostPath", "PersistentVolumeClaim"] = "Ephemeral"
    """Ephemeral (emptyDir) survives container restarts and reboots. HostPath, a folder of the node, survives the pod as
    well, and deployments of the namespace share its files and downloads; the Pod Security Standards forbid it but for
    privileged namespaces, and the administrator opens it (cacheRoot). PersistentVolumeClaim is for Replicas."""
    path: Path | None = None
    """HostPath: <cacheRoot>/<namespace>/<name>, whatever the name; absent: one that all deployments of the namespace
    share."""
    claim: DnsName | None = None
    """PersistentVolumeClaim: its name, in this namespace. All replicas share it; one that only one node may mount keeps
    them on one node."""
    limit: Quantity = "1Gi"
    """Bytes of model files. Beyond it, those go that have not been in use for longest. What serves, what comes next and
    what a device would go back to never go."""

    rules = (
        Rule(
            "path is for type HostPath",
            "!has(self.path) || self.type == 'HostPath'",
            lambda self: self.path is None or self.type == "HostPath",
        ),
        Rule(
            "claim goes with type PersistentVolumeClaim",
            "has(self.claim) == (has(self.type) && self.type == 'PersistentVolumeClaim')",
            lambda self: (self.claim is not None) == (self.type == "PersistentVolumeClaim"),
        ),
    )


class Serving(Model):
    """How a device serves."""

    batching: Literal["Auto", "Off"] = "Auto"
    """Auto: requests that wait for the same model share a run, where the device measured that this pays; a request that
    fails fails alone. Off: every request runs by itself."""
    max_queue: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Requests that may wait on one device; the next one gets 429 at once, or help from an escalation target. When more
    comes than the device can answer, fewer wait: nobody is served late because of it."""
    resources: ResourceRequirements | None = None
    """Of the runtime container. Default: requests from the models' memory."""
    traffic_distribution: Literal["PreferClose", "PreferSameZone", "PreferSameNode"] | None = None
    """Of the Service `<name>`."""
    host_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Serves HTTP on this port of the device for its LAN; 0: not. Forbidden by the restricted Pod Security Standard."""
    cache: Cache = Cache()
    switch: Literal["Beside", "InPlace"] = "Beside"
    """Beside: the new model is loaded and warmed next to the old one, nothing is lost. InPlace, for devices whose
    memory cannot hold both: the old one is unloaded first, and loaded again if the new one does not do. Meanwhile
    requests get 503, or help from an escalation target."""
    auth: Auth | None = None
    """Who may ask. Absent: whoever reaches the port, which with hostPort is the whole LAN."""
    rate_limit: RateLimit | None = None
    """How often one client may ask; a model can be copied by asking it often enough. Absent: as often as it likes."""
    image: Image = ""
    """Runtime image for every profile of this deployment; must match a prefix the operator allows. Empty: the
    profile's."""
