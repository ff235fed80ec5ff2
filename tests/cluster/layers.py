"""An image with one layer more, without building one: what a device has to pull for it is known to the byte."""

import io
import json
import tarfile
from hashlib import sha256
from pathlib import Path
from typing import Any

_LAYER = "application/vnd.oci.image.layer.v1.tar"


def with_layer(old: Path, new: Path, content: bytes) -> None:
    """Writes the image of the archive `old` to `new`, with that content in a layer of its own; who has the old one
    pulls that layer alone."""
    with tarfile.open(old) as source, tarfile.open(new, "w") as target:
        added = _Archive(source, target)
        index = added.read("index.json")
        head = index["manifests"][0]
        manifest = added.read(_blob(head["digest"]))
        config = added.read(_blob(manifest["config"]["digest"]))
        layer = added.blob(_layer(content))
        config["rootfs"]["diff_ids"].append(layer["digest"])
        config.get("history", []).append({"created_by": "one layer more"})
        manifest["layers"].append({"mediaType": _LAYER, **layer})
        manifest["config"] |= added.blob(json.dumps(config).encode())
        head |= added.blob(json.dumps(manifest).encode())
        added.write("index.json", json.dumps(index).encode())
        added.rest()


class _Archive:
    """An OCI archive on its way into another."""

    def __init__(self, source: tarfile.TarFile, target: tarfile.TarFile) -> None:
        self._source, self._target = source, target
        self._written = set[str]()

    def read(self, name: str) -> dict[str, Any]:
        file = self._source.extractfile(name)
        assert file is not None, name
        found: dict[str, Any] = json.load(file)
        return found

    def blob(self, content: bytes) -> dict[str, Any]:
        """Writes it; its descriptor, less the media type."""
        digest = f"sha256:{sha256(content).hexdigest()}"
        self.write(_blob(digest), content)
        return {"digest": digest, "size": len(content)}

    def write(self, name: str, content: bytes) -> None:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        self._target.addfile(entry, io.BytesIO(content))
        self._written.add(name)

    def rest(self) -> None:
        """Whatever was not written anew."""
        for member in self._source:
            if member.isfile() and member.name not in self._written:
                self._target.addfile(member, self._source.extractfile(member))


def _layer(content: bytes) -> bytes:
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        entry = tarfile.TarInfo("opt/more")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return layer.getvalue()


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"
