"""The Debian packages a cluster needs, installed when a program of theirs is missing.

Does nothing, quickly, when all is there.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.cluster.progress import step

# package: a file of it, or a program
PACKAGES = {
    "buildah": "buildah",
    "busybox-static": "busybox",
    "containerd": "containerd",
    "containernetworking-plugins": "/usr/lib/cni/ptp",
    "debootstrap": "debootstrap",
    "docker-registry": "docker-registry",
    "ethtool": "ethtool",
    "gcc": "gcc",
    "iproute2": "ip",
    "iptables": "iptables",
    "libc6-dev": "/usr/include/unistd.h",
    "prometheus": "prometheus",
    "runc": "runc",
    "wrk": "wrk",
}


def missing(packages: Mapping[str, str] = PACKAGES) -> list[str]:
    """The packages of which nothing is found."""
    return [package for package, proof in packages.items() if not _found(proof)]


def install_missing(wanted: Mapping[str, str] = PACKAGES) -> None:
    """Installs what is missing; asks nothing, starts no service. Raises `CalledProcessError` with apt's words above."""
    packages = missing(wanted)
    if not packages:
        return
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise RuntimeError(f"install these first, or run as root on Debian: {' '.join(packages)}")
    with step(f"install {' '.join(packages)}"):
        _apt("update", "--quiet=2")
        _apt("install", "--quiet=2", "--yes", "--no-install-recommends", *packages)


def _found(proof: str) -> bool:
    return Path(proof).exists() if proof.startswith("/") else shutil.which(proof, path=_path()) is not None


def _path() -> str:
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def _apt(*arguments: str) -> None:
    quiet = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}  # of runlevel 1, packages start no service
    subprocess.run(["apt-get", "-o", "Acquire::Retries=3", *arguments], env={**os.environ, **quiet}, check=True)
