"""Pushes a folder to a registry as one OCI artifact: a layer for each file, titled by its path, as ORAS does it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgewise.cli.packaging.builds import PackagingError

if TYPE_CHECKING:
    from oras.container import Container
    from oras.provider import Registry

ARTIFACT_TYPE = "application/vnd.edgewise.model.v1"
_CONNECT_SECONDS = 10.0  # oras itself tries a host that is not there for two minutes
_LAYER = "application/octet-stream"
_TITLE = "org.opencontainers.image.title"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_EMPTY = "application/vnd.oci.empty.v1+json"
"""OCI image spec 1.1, "Guidance for an empty descriptor": the config of an artifact that needs none, two bytes `{}`."""


def push(folder: Path, uri: str, plain_http: bool, progress: Callable[[str, float], None]) -> str:
    """To `uri`, oci://host[:port]/repository:tag; returns the manifest's digest. PackagingError where it is refused.

    Who we are comes from Docker's configuration, as `docker login` and `oras login` leave it.
    """
    import oras.defaults  # half a second
    import oras.provider

    try:
        registry = oras.provider.Registry(insecure=plain_http)
        container = registry.get_container(uri.removeprefix("oci://"))
        registry.session.get(f"{registry.prefix}://{container.registry}/v2/", timeout=_CONNECT_SECONDS)
        registry.auth.load_configs(container)
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        layers = []
        for done, path in enumerate(paths):
            progress(f"pushing {path.name}", done / len(paths))
            layers.append(_layer(registry, container, path, path.relative_to(folder).as_posix()))
        with oras.provider.temporary_empty_config() as empty:
            config = {"mediaType": _EMPTY, "digest": oras.defaults.blank_config_hash, "size": 2}
            _checked(registry.upload_blob(empty, container, config))
        return _manifest(registry, container, {"config": config, "layers": layers})
    except (OSError, ValueError) as error:  # requests' errors are OSErrors
        raise PackagingError(f"cannot push to {uri}: {' '.join(str(error).split())}") from error


def _layer(registry: Registry, container: Container, path: Path, title: str) -> dict[str, Any]:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    layer = {
        "mediaType": _LAYER,
        "size": path.stat().st_size,
        "digest": f"sha256:{digest}",
        "annotations": {_TITLE: title},
    }
    _checked(registry.upload_blob(str(path), container, layer))
    return layer


def _manifest(registry: Registry, container: Container, parts: dict[str, Any]) -> str:
    manifest = {"schemaVersion": 2, "mediaType": _MANIFEST, "artifactType": ARTIFACT_TYPE, **parts}
    body = json.dumps(manifest, separators=(",", ":")).encode()
    url = f"{registry.prefix}://{container.manifest_url()}"
    _checked(registry.do_request(url, "PUT", data=body, headers={"Content-Type": _MANIFEST}))
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _checked(response: Any) -> None:
    if response.status_code not in (200, 201, 202):
        raise ValueError(f"the registry answered {response.status_code}: {response.text[:500]}")
