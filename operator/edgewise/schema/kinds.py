"""What the API server and kubectl know of each kind beside its fields: names, scope, columns. Read by `crd.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from edgewise.api.base import Model
from edgewise.api.deviceprofile import DeviceProfile
from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.edgemodel import EdgeModel
from edgewise.api.names import GROUP, READY


@dataclass(frozen=True)
class Column:
    """One column of `kubectl get`; `wide` ones show with `-o wide` only."""

    name: str
    path: str
    type: Literal["string", "integer", "date"] = "string"
    wide: bool = False


@dataclass(frozen=True)
class Kind:
    """One kind. `scale` holds the paths of the scale subresource, where there is one."""

    model: type[Model]
    plural: str
    short_name: str
    scope: Literal["Namespaced", "Cluster"]
    columns: tuple[Column, ...]
    scale: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        return self.model.__name__

    @property
    def crd_name(self) -> str:
        return f"{self.plural}.{GROUP}"


def _of_ready(member: str) -> str:
    return f'.status.conditions[?(@.type=="{READY}")].{member}'


_READY = Column("Ready", _of_ready("status"))
_REASON = Column("Reason", _of_ready("reason"))
_MESSAGE = Column("Message", _of_ready("message"), wide=True)
_AGE = Column("Age", ".metadata.creationTimestamp", "date")

KINDS = (
    Kind(
        DeviceProfile,
        plural="deviceprofiles",
        short_name="devp",
        scope="Cluster",
        columns=(
            Column("Nodes", ".status.nodes", "integer"),
            Column("Priority", ".spec.priority", "integer"),
            Column("Engine", ".spec.runtime.engine"),
            Column("Accelerator", ".spec.hardware.accelerator"),
            _AGE,
        ),
    ),
    Kind(
        EdgeModel,
        plural="edgemodels",
        short_name="em",
        scope="Namespaced",
        columns=(
            _READY,
            _REASON,
            Column("Version", ".spec.version"),
            Column("Task", ".spec.task"),
            Column("Revision", ".status.revision", wide=True),
            _MESSAGE,
            _AGE,
        ),
    ),
    Kind(
        EdgeDeployment,
        plural="edgedeployments",
        short_name="edep",
        scope="Namespaced",
        columns=(
            _READY,
            _REASON,
            Column("Release", ".status.release.stable"),
            Column("Nodes", ".status.nodes.matched", "integer"),
            Column("Serving", ".status.nodes.ready", "integer"),
            Column("Offline", ".status.nodes.offline", "integer"),
            Column("URL", ".status.url", wide=True),
            Column("ServedBy", ".status.servedBy", wide=True),
            _MESSAGE,
            _AGE,
        ),
        scale={"specReplicasPath": ".spec.placement.replicas", "statusReplicasPath": ".status.nodes.ready"},
    ),
)
