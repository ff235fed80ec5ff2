"""The programs a cluster is made of, built from their Go modules once per machine.

Each lies in the cache under a key of everything it was built from: our own sources for the one binary that holds the
Kubernetes components, module and version for the rest. A fresh clone on the same machine builds nothing.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import paths
from tests.cluster.locking import exclusive
from tests.cluster.progress import step

KUBERNETES_VERSION = "1.34.4"
_GO_SOURCES = ("main.go", "go.mod", "go.sum")
_TRIES = 3  # of what comes over the network; what was downloaded before a failure is kept
_VERSION_PACKAGES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")


class BuildError(RuntimeError):
    """The Go tool failed; the message holds its last lines."""


@dataclass(frozen=True)
class Tool:
    """A program that `go install` builds from a published module."""

    binary: str
    module: str
    package: str
    version: str
    files: tuple[str, ...] = ()  # of the module, laid beside the program

    def path(self) -> Path:
        """The built program; the first call on a machine builds it (about a minute)."""
        return _cached(f"{self.binary}-{self.version}", self.binary, self._install)

    def _install(self, folder: Path) -> None:
        program = f"{self.module}{self.package}@{self.version}"
        _go("install", program, cwd=folder, env={"GOBIN": str(folder)}, tries=_TRIES)
        source = json.loads(_go("mod", "download", "-json", f"{self.module}@{self.version}", cwd=folder))["Dir"]
        for file in self.files:
            shutil.copyfile(Path(source, file), folder / Path(file).name)


KWOK = Tool(
    "kwok",
    "sigs.k8s.io/kwok",
    "/cmd/kwok",
    "v0.7.0",
    files=(
        "kustomize/stage/node/fast/node-initialize.yaml",
        "kustomize/stage/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
        "kustomize/stage/pod/fast/pod-ready.yaml",
        "kustomize/stage/pod/fast/pod-complete.yaml",
        "kustomize/stage/pod/fast/pod-delete.yaml",
    ),
)
COREDNS = Tool("coredns", "github.com/coredns/coredns", "", "v1.14.6")
H2SPEC = Tool("h2spec", "github.com/summerwind/h2spec", "/cmd/h2spec", "v2.2.1+incompatible")
VERSITYGW = Tool("versitygw", "github.com/versity/versitygw", "/cmd/versitygw", "v1.8.0")
HELM = Tool("helm", "helm.sh/helm/v3", "/cmd/helm", "v3.21.4")
HELM_4 = Tool("helm", "helm.sh/helm/v4", "/cmd/helm", "v4.3.1")


def cluster() -> Path:
    """The binary with every Kubernetes component and kubectl: `cluster COMPONENT [flags]` (first build 4 minutes)."""
    source = paths.HERE / "go"
    digest = hashlib.sha256(KUBERNETES_VERSION.encode())
    for name in _GO_SOURCES:
        digest.update((source / name).read_bytes())

    def build(folder: Path) -> None:
        _go("build", "-buildvcs=false", "-ldflags", _version_flags(), "-o", str(folder / "cluster"), ".", cwd=source)

    return _cached(digest.hexdigest()[:16], "cluster", build)


def kubectl() -> Path:
    """kubectl of the cluster's own version: a two-line script, so that it works wherever a program is called for."""

    def build(folder: Path) -> None:
        script = folder / "kubectl"
        script.write_text(f'#!/bin/sh\nexec {cluster()} kubectl "$@"\n')
        script.chmod(0o755)

    return _cached(f"kubectl-{cluster().parent.name}", "kubectl", build)


def _version_flags() -> str:
    # Without these the API server calls itself v0.0.0, and every chart's kubeVersion refuses it.
    major, minor, _ = KUBERNETES_VERSION.split(".")
    values = {"gitVersion": f"v{KUBERNETES_VERSION}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    settings = [f"-X {package}.{key}={value}" for package in _VERSION_PACKAGES for key, value in values.items()]
    return " ".join(["-s", "-w", *settings])


def _cached(key: str, binary: str, build: Callable[[Path], None]) -> Path:
    target = paths.cache() / "bin" / key
    if not (target / binary).exists():
        with exclusive(key), step(f"build {binary} ({key}), once per machine"):
            _build_into(target, binary, build)
    return target / binary


def _build_into(target: Path, binary: str, build: Callable[[Path], None]) -> None:
    if (target / binary).exists():  # another process built it while we waited for the lock
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".building-") as folder:
        made = Path(folder, "bin")
        made.mkdir()
        build(made)
        made.rename(target)


def _go(*arguments: str, cwd: Path, env: dict[str, str] | None = None, tries: int = 1) -> str:
    done = subprocess.run(
        ["go", *arguments], cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode and tries > 1:
        return _go(*arguments, cwd=cwd, env=env, tries=tries - 1)
    if done.returncode:
        raise BuildError(f"go {' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    return done.stdout
