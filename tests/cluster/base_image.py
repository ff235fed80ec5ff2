"""The base image of every image built here: Debian with Python, without any registry.

The Containerfiles name the official python images as their default BASE; this one stands in for them: `python` and
`pip` in /usr/local, what pip installs goes there too, and one name means the image of whatever platform is asked for.
"""

import hashlib
import shutil
import tempfile
from pathlib import Path

from tests.cluster import foreign, paths
from tests.cluster.buildah import add_to, architectures, buildah, mounted_image
from tests.cluster.command import run
from tests.cluster.platforms import NATIVE, Platform
from tests.cluster.progress import step

_SUITE = "bookworm"
_PACKAGES = ("ca-certificates", "libpython3.11", "python3", "python3-venv")  # libpython: for those that embed Python
_NEEDLESS = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale")
_LAYOUT = 2  # raise it when what is done below changes


def base_image(platform: Platform = NATIVE) -> str:
    """Its reference in buildah's storage, good for `platform` and for this machine, on which builds run.

    The first call on a machine makes it: a minute, and half a minute more for another platform.
    """
    digest = hashlib.sha256(repr((_SUITE, _PACKAGES, _NEEDLESS, _LAYOUT)).encode()).hexdigest()
    reference = f"localhost/edgewise-base:{digest[:12]}"
    for wanted in dict.fromkeys((NATIVE, platform)):
        if wanted.architecture not in architectures(reference):
            with step(f"make the base image ({_SUITE}, {wanted}), once per machine"):
                add_to(reference, _made(wanted, reference))
    return reference


def _made(platform: Platform, index: str) -> str:
    """An image with a name of its own: without, it would go with the last image that was built on it."""
    name = f"{index}-{platform.architecture}"
    with tempfile.TemporaryDirectory(dir=paths.cache(), prefix=".base-") as folder:
        root = Path(folder, "root")
        debootstrap = ["debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}"]
        if platform == NATIVE:
            run(*debootstrap, _SUITE, root)
            run("chroot", root, "python3", "-m", "venv", "/usr/local")
        else:
            run(*debootstrap, "--foreign", f"--arch={platform.architecture}", _SUITE, root)
            with mounted_image(f"{index}-{NATIVE.architecture}") as ours:
                foreign.complete(root, ours)
        for needless in _NEEDLESS:
            shutil.rmtree(root / needless, ignore_errors=True)
        container = buildah("from", "--platform", platform, "scratch").strip()
        buildah("add", "--quiet", container, root, "/")
        buildah("config", "--env", "PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin", container)
        buildah("commit", "--quiet", "--rm", container, name)
    return name
