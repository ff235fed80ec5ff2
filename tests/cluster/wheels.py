"""Programs out of wheels, each with its own versions of what it imports: in an environment of its own, in the cache."""

import hashlib
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.command import run
from tests.cluster.locking import exclusive
from tests.cluster.paths import cache
from tests.cluster.progress import step


@dataclass(frozen=True)
class Wheels:
    """What to install, and for which interpreter."""

    name: str
    requirements: tuple[str, ...]
    interpreter: str = sys.executable

    @property
    def folder(self) -> Path:
        version = hashlib.sha256(" ".join([_identity(self.interpreter), *self.requirements]).encode()).hexdigest()[:12]
        return cache() / "bench" / f"{self.name}-{version}"

    @property
    def installed(self) -> bool:
        return (self.folder / "installed").exists()

    def python(self) -> str:
        """The interpreter of its environment, made at the first call."""
        folder = self.folder
        done = folder / "installed"
        with exclusive(f"bench-{self.name}"):
            if not done.exists():
                with step(f"install {' '.join(self.requirements)}"):
                    shutil.rmtree(folder, ignore_errors=True)
                    run(self.interpreter, "-m", "venv", folder)
                    run(folder / "bin/pip", "install", "--quiet", "--disable-pip-version-check", *self.requirements)
                    done.touch()
        return str(folder / "bin" / "python")


def _identity(interpreter: str) -> str:
    """The same for every environment made from one Python, such as those of two clones."""
    return str(Path(interpreter).resolve())
