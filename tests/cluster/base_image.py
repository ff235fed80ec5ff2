"""The base image of every image built here: Debian with Python, without any registry.

The Containerfiles name the official python images as their default BASE; this one stands in for them: `python` and
`pip` in /usr/local, and what pip installs goes there too.
"""

import hashlib
import shutil
import tempfile
from pathlib import Path

from tests.cluster import paths
from tests.cluster.buildah import buildah, has
from tests.cluster.command import run
from tests.cluster.progress import step

_SUITE = "bookworm"
_PACKAGES = ("ca-certificates", "libpython3.11", "python3", "python3-venv")  # libpython: for those that embed Python
_NEEDLESS = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale")
_LAYOUT = 1  # raise it when what is done below changes


def base_image() -> str:
    """Its reference in buildah's storage; the first call on a machine makes it (a minute)."""
    digest = hashlib.sha256(repr((_SUITE, _PACKAGES, _NEEDLESS, _LAYOUT)).encode()).hexdigest()
    reference = f"localhost/edgewise-base:{digest[:12]}"
    if not has(reference):
        with step(f"make the base image ({_SUITE}), once per machine"):
            _make(reference)
    return reference


def _make(reference: str) -> None:
    with tempfile.TemporaryDirectory(dir=paths.cache(), prefix=".base-") as folder:
        root = Path(folder, "root")
        run("debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}", _SUITE, root)
        run("chroot", root, "python3", "-m", "venv", "/usr/local")
        for needless in _NEEDLESS:
            shutil.rmtree(root / needless, ignore_errors=True)
        container = buildah("from", "scratch").strip()
        buildah("add", "--quiet", container, root, "/")
        buildah("config", "--env", "PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin", container)
        buildah("commit", "--quiet", "--rm", container, reference)
