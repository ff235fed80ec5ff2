"""Triton's server out of the nvidia-pytriton wheel, and what its Python models import, in the cache of this machine.

No environment of its own: Triton's stub brings its interpreter along, Debian's libpython, and is told one folder.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import sys
from pathlib import Path

from tests.cluster.command import run
from tests.cluster.locking import exclusive
from tests.cluster.paths import cache
from tests.cluster.prerequisites import install_missing
from tests.cluster.progress import step

PYTHON = "3.11"
"""Of the stub, and so of the wheels."""
_SERVER = ("--no-deps", "nvidia-pytriton==0.7.0")
_MODELS = ("onnxruntime==1.23.2", "numpy<2")  # as in tests/images/triton
_LIBRARY = {f"libpython{PYTHON}": f"/usr/lib/{platform.machine()}-linux-gnu/libpython{PYTHON}.so.1.0"}


def site() -> Path:
    """A folder of Python packages; filled by the first call on a machine (a minute)."""
    install_missing(_LIBRARY)
    version = hashlib.sha256(" ".join((PYTHON, *_SERVER, *_MODELS)).encode()).hexdigest()[:12]
    folder = cache() / "triton" / version
    done = folder / "installed"
    if not done.exists():
        with exclusive("triton"), step("install Triton out of its wheel, once per machine"):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                for wanted in (_SERVER, _MODELS):
                    _install(folder, *wanted)
                done.touch()
    return folder


def _install(folder: Path, *wanted: str) -> None:
    chosen = ("--only-binary=:all:", "--python-version", PYTHON, "--implementation", "cp")
    calm = ("--quiet", "--disable-pip-version-check", "--retries", "10")
    run(sys.executable, "-m", "pip", "install", *calm, *chosen, "--target", folder, *wanted)
