"""The one image every node needs, written without any image tool: a static busybox, as pod sandbox and as toolbox.

As `localhost/pause:1` it sleeps; as `localhost/busybox:1` it is the ordinary pod of the tests, with sh, wget and nc.
"""

import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path

from tests.cluster import paths
from tests.cluster.containerd import PAUSE_IMAGE

BUSYBOX_IMAGE = "localhost/busybox:1"
_BINARY = Path("/bin/busybox")


def archive() -> Path:
    """The image archive, made on first use."""
    target = paths.cache() / "images" / f"busybox-{hashlib.sha256(_BINARY.read_bytes()).hexdigest()[:16]}.tar"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(target.with_suffix(".part"))
        target.with_suffix(".part").rename(target)
    return target


def _write(target: Path) -> None:
    layer = _layer()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": ["/bin/sleep", "2147483647"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [PAUSE_IMAGE, BUSYBOX_IMAGE], "Layers": ["layer.tar"]}]
    with tarfile.open(target, "w") as image:
        _add(image, "layer.tar", layer)
        _add(image, "config.json", json.dumps(config).encode())
        _add(image, "manifest.json", json.dumps(manifest).encode())


def _layer() -> bytes:
    applets = subprocess.run([_BINARY, "--list"], capture_output=True, text=True, check=True).stdout.split()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as layer:
        _add(layer, "bin/busybox", _BINARY.read_bytes(), mode=0o755)
        for applet in sorted(set(applets) - {"busybox"}):
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            layer.addfile(link)
        _add(layer, "etc/passwd", b"root:x:0:0::/:/bin/sh\n")
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))
