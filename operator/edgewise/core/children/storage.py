"""What a device pod has of disks beside an emptyDir: a cache that outlives it, and folders and volumes that hold models
already. Asked by the pod's builders, by templates.py for what a release needs, by blockers.py for what is allowed.

Folders of the node lie below roots that the administrator opened, one level for each namespace and, of caches, one more
for each cache: nothing that a pod may write is ever above what another pod mounts, so no symbolic link leads out of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.edgemodel import Attachment, Copy, EdgeModelSpec, Source
from edgewise.api.names import short_hash
from edgewise.contract.plan import CACHE_FOLDER, CLAIMS_FOLDER, FILES_FOLDER
from edgewise.core.children import container
from edgewise.core.observed import Settings, Workload

SHARED = "models"
"""Cache folder of a namespace's deployments that name none of their own."""
FILES_ROOT = "EDGEWISE_FILES_ROOT"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_CLAIM = re.compile(r"pvc://([a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?)/.+")
_OWNER: dict[str, Any] = {
    **container.CONTAINER_SECURITY,
    "runAsNonRoot": False,
    "runAsUser": 0,
    "runAsGroup": 0,
    "capabilities": {"drop": ["ALL"], "add": ["CHOWN"]},
}


@dataclass(frozen=True)
class Storage:
    """Of one pod. Empty, and without a trace in its template, where nobody asked for any."""

    folder: str = ""
    """Of the node: the cache. Empty: no HostPath."""
    claim: str = ""
    """A PersistentVolumeClaim: the cache. Empty: none."""
    files: str = ""
    """Of the node, read only: what file:// sources may name."""
    claims: tuple[str, ...] = ()
    """Read only: what pvc:// sources name."""

    def wire(self) -> dict[str, Any]:
        """Only what is set."""
        members = {"folder": self.folder, "claim": self.claim, "files": self.files, "claims": list(self.claims)}
        return {name: value for name, value in members.items() if value}


def wanted(deployment: EdgeDeployment, models: Iterable[EdgeModelSpec], settings: Settings) -> Storage:
    """models: of all releases that its pods may be told to serve."""
    uris, cache = [uri for model in models for uri in located(model)], deployment.spec.serving.cache
    files = bool(settings.file_root) and any(uri.startswith("file://") for uri in uris)
    return Storage(
        folder=cache_folder(deployment, settings) if cache.type == "HostPath" else "",
        claim=cache.claim or "" if cache.type == "PersistentVolumeClaim" else "",
        files=_of_namespace(settings.file_root, deployment) if files else "",
        claims=tuple(sorted({match[1] for uri in uris if (match := _CLAIM.fullmatch(uri))})),
    )


def located(model: EdgeModelSpec) -> Iterator[str]:
    """Every uri that fetching, checking and trying it may take."""
    for variant in model.variants:
        yield from _uris(variant.source)
        for delta in variant.deltas:
            yield from _uris(delta)
    if model.self_test is not None and model.self_test.source is not None:
        yield model.self_test.source
    proofs = (model.verification.signature, model.verification.manifest) if model.verification else ()
    for proof in proofs:
        if proof is not None:
            yield from _uris(proof)


def _uris(what: Source | Copy | Attachment) -> Iterator[str]:
    yield from (what.uri, *what.mirrors)
    if isinstance(what, Source) and what.compressed is not None:
        yield from _uris(what.compressed)


def cache_folder(deployment: EdgeDeployment, settings: Settings) -> str:
    return deployment.spec.serving.cache.path or f"{_of_namespace(settings.cache_root, deployment)}/{SHARED}"


def cache_problem(deployment: EdgeDeployment, settings: Settings) -> str:
    """Why its cache is not allowed; empty where it is."""
    if deployment.spec.serving.cache.type != "HostPath":
        return ""
    if not settings.cache_root:
        return (
            "spec.serving.cache.type HostPath is not open in this cluster; use Ephemeral, or ask the administrator to "
            "set cacheRoot in the chart"
        )
    parent, _, name = cache_folder(deployment, settings).rpartition("/")
    own = _of_namespace(settings.cache_root, deployment)
    if parent == own and _NAME.fullmatch(name):
        return ""
    return (
        f"spec.serving.cache.path {deployment.spec.serving.cache.path} is no folder of this namespace's caches; write "
        f"{own}/<name>, or leave it empty for {own}/{SHARED}"
    )


def files_problem(deployment: EdgeDeployment, model: EdgeModelSpec, settings: Settings) -> str:
    """Why a file:// source of the model is not allowed; empty where all are."""
    asked = [uri for uri in located(model) if uri.startswith("file://")]
    if asked and not settings.file_root:
        return (
            f"{asked[0]}: no folder of the nodes is open to such sources; the administrator sets fileRoot in the chart"
        )
    own = f"file://{_of_namespace(settings.file_root, deployment)}/"
    outside = next((uri for uri in asked if not uri.startswith(own) or ".." in uri.split("/")), None)
    return f"{outside} is not below {own}, where models of this namespace lie on the nodes" if outside else ""


def _of_namespace(root: str, deployment: EdgeDeployment) -> str:
    return f"{root.rstrip('/')}/{deployment.metadata.namespace}"


def cache_volume(of: Mapping[str, Any], size: str) -> dict[str, Any]:
    """of: as `Storage.wire` says it. size: limit of the emptyDir that there is otherwise."""
    if folder := of.get("folder"):
        return {"name": "cache", "hostPath": {"path": folder, "type": "DirectoryOrCreate"}}
    if claim := of.get("claim"):
        return {"name": "cache", "persistentVolumeClaim": {"claimName": claim}}
    return {"name": "cache", "emptyDir": {"sizeLimit": size}}


def volumes(of: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of models. A folder that a node lacks is made, empty: one device without its files must start, and say so."""
    files = [{"name": "files", "hostPath": {"path": of["files"], "type": "DirectoryOrCreate"}}] if "files" in of else []
    claims = (
        {"name": _volume(claim), "persistentVolumeClaim": {"claimName": claim, "readOnly": True}}
        for claim in of.get("claims", ())
    )
    return [*files, *claims]


def mounts(of: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of `volumes`, in its order."""
    files = [{"name": "files", "mountPath": FILES_FOLDER, "readOnly": True}] if "files" in of else []
    claims = (
        {"name": _volume(claim), "mountPath": f"{CLAIMS_FOLDER}/{claim}", "readOnly": True}
        for claim in of.get("claims", ())
    )
    return [*files, *claims]


def environment(of: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"name": FILES_ROOT, "value": of["files"]}] if "files" in of else []


def preparation(of: Mapping[str, Any], image: str) -> list[dict[str, Any]]:
    """A kubelet makes folders of the node for root, and fsGroup is not for them: somebody must give the cache to the
    runtime before it starts. The only thing here that runs as root; it may change owners, and nothing else."""
    if "folder" not in of:
        return []
    return [
        {
            "name": "cache-owner",
            "image": image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["chown", f"{container.USER}:{container.USER}", CACHE_FOLDER],
            "resources": {"requests": {"cpu": "10m", "memory": "8Mi"}},
            "securityContext": _OWNER,
            "volumeMounts": [{"name": "cache", "mountPath": CACHE_FOLDER}],
        }
    ]


def of_pod(spec: Mapping[str, Any]) -> Storage:
    """What a pod spec that was made here has for models; its cache is not looked at."""
    there = {one["name"]: one for one in spec.get("volumes") or ()}
    files = there.get("files", {}).get("hostPath", {}).get("path", "")
    bound = (one["persistentVolumeClaim"]["claimName"] for one in there.values() if "persistentVolumeClaim" in one)
    return Storage(files=files, claims=tuple(sorted(claim for claim in bound if _volume(claim) in there)))


def lasting(needed: Mapping[str, Any], present: Workload) -> dict[str, Any]:
    """The present volumes of models where they are only more: to need one less replaces no pod."""
    fewer = set(needed.get("claims", ())) <= set(present.claims) and needed.get("files", present.files) == present.files
    more = Storage(files=present.files, claims=present.claims).wire() if fewer else {}
    return {**needed, **more}


def _volume(claim: str) -> str:
    return f"claim-{short_hash(claim, 8)}"
