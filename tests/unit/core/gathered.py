"""Children of the world in miniature as the controller and the devices would see them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgewise.api.names import (
    GATEWAY_ROLE,
    MEMORY_ANNOTATION,
    PROFILE_LABEL,
    PROVEN_ANNOTATION,
    PULL_ROLE,
    ROLE_LABEL,
    TEMPLATE_ANNOTATION,
)
from edgewise.contract.report import AccessReport, Demand
from edgewise.core.children import storage
from edgewise.core.children.pods import secrets_of
from edgewise.core.children.pulls import named
from edgewise.core.observed import GatewaySeen, ObjectRef, Pod, Snapshot, Workload
from tests.unit.core.builders import NAMESPACE, pod

DEMANDS: dict[str, Demand] = {
    "EDGEWISE_TOKENS_FOLDER": "Token",
    "EDGEWISE_CERTIFICATE_FOLDER": "Certificate",
    "EDGEWISE_CLIENT_CA_FILE": "ClientCertificate",
}


def door_of(spec: Mapping[str, Any]) -> AccessReport | None:
    """What a runtime reads out of its environment."""
    told = {variable["name"] for variable in spec["containers"][0]["env"]}
    demands = [demand for name, demand in DEMANDS.items() if name in told]
    return AccessReport(demands=demands) if demands else None


def ref_of(child: Mapping[str, Any]) -> ObjectRef:
    name = child["metadata"]["name"]
    return ObjectRef(child["apiVersion"], child["kind"], NAMESPACE, name, f"uid-of-{name}", "1")


def snapshot_of(child: Mapping[str, Any]) -> Snapshot:
    return Snapshot(ref_of(child), child["revision"], child["data"])


def workload_of(child: Mapping[str, Any]) -> Workload:
    annotations, spec = child["metadata"]["annotations"], child["spec"]["template"]["spec"]
    labels, disks = child["metadata"]["labels"], storage.of_pod(spec)
    return Workload(
        ref_of(child),
        labels.get(PROFILE_LABEL, ""),
        annotations.get(TEMPLATE_ANNOTATION, ""),
        spec["containers"][0]["image"],
        int(annotations.get(MEMORY_ANNOTATION, 0)),
        secrets_of(spec),
        files=disks.files,
        claims=disks.claims,
        affinity=spec["affinity"],
        synced=True,
        role=labels[ROLE_LABEL],
        proven=annotations.get(PROVEN_ANNOTATION, ""),
    )


def pulled_by(puller: Mapping[str, Any], problems: Mapping[tuple[str, str], str]) -> list[Pod]:
    """Pods of a DaemonSet that brings an image, each done with it. problems: (node, image) -> why it cannot be had."""
    template = puller["spec"]["template"]
    (container,), identity = template["spec"]["containers"], template["metadata"]["annotations"][TEMPLATE_ANNOTATION]
    whys = {node: problems.get((node, container["image"]), "") for node in named(template["spec"]["affinity"])}
    return [
        pod(node, "", role=PULL_ROLE, template=identity, image=container["image"], problem=why, pulled=not why)
        for node, why in whys.items()
    ]


def gateway_of(children: Mapping[tuple[str, str], Mapping[str, Any]], ready: bool) -> GatewaySeen:
    """children: by kind and name."""
    service, made = children.get(("Service", "digits")), children.get(("Deployment", "digits-gateway"))
    pods = [
        pod("cloud", "", ready, name=f"digits-gateway-{i}", role=GATEWAY_ROLE)
        for i in range(made["spec"]["replicas"] if made else 0)
    ]
    leads_to = service["spec"]["selector"][ROLE_LABEL] if service else ""
    return GatewaySeen(leads_to == GATEWAY_ROLE, made is not None, tuple(pods))
