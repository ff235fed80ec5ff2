"""Pushes one model file to a registry as an OCI artifact, from where `oci://` in an EdgeModel pulls it.

    python examples/push_oci.py build/examples/silero_vad.onnx 127.0.0.1:5000/models/silero-vad:6.2.3 --plain-http
    sha256:...                                       # digest of the manifest: <name>@sha256:... pins it

The artifact is one layer with the bytes of the file, so the layer's digest is the sha256 in the EdgeModel.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import oras.defaults
import oras.oci
import oras.provider

ARTIFACT_TYPE = "application/vnd.edgewise.model.v1"
LAYER_TYPE = "application/octet-stream"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
"""OCI image spec 1.1, "Guidance for an empty descriptor": the config of an artifact that needs none, two bytes `{}`."""


def push(file: Path, reference: str, plain_http: bool = False) -> str:
    """Pushes `file` to `reference` (host[:port]/name:tag) and returns the manifest's digest, `sha256:...`."""
    registry = oras.provider.Registry(insecure=plain_http)
    container = registry.get_container(reference)
    registry.auth.load_configs(container)
    manifest = _manifest(file)
    _checked(registry.upload_blob(str(file), container, manifest["layers"][0]))
    with oras.provider.temporary_empty_config() as empty:
        _checked(registry.upload_blob(empty, container, manifest["config"]))
    body = json.dumps(manifest, separators=(",", ":")).encode()
    url = f"{registry.prefix}://{container.manifest_url()}"
    _checked(registry.do_request(url, "PUT", data=body, headers={"Content-Type": manifest["mediaType"]}))
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _manifest(file: Path) -> dict[str, Any]:
    layer = oras.oci.NewLayer(str(file), media_type=LAYER_TYPE)
    layer["annotations"] = {oras.defaults.annotation_title: file.name}
    return {
        "schemaVersion": 2,
        "mediaType": oras.defaults.default_manifest_media_type,
        "artifactType": ARTIFACT_TYPE,
        "config": {"mediaType": EMPTY_TYPE, "digest": oras.defaults.blank_config_hash, "size": 2},
        "layers": [layer],
    }


def _checked(response: Any) -> None:
    if response.status_code not in (200, 201, 202):
        raise OSError(f"the registry answered {response.status_code}: {response.text[:500]}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("reference", help="host[:port]/name:tag")
    parser.add_argument("--plain-http", action="store_true", help="for a registry without TLS")
    arguments = parser.parse_args()
    sys.stdout.write(f"{push(arguments.file, arguments.reference, arguments.plain_http)}\n")
