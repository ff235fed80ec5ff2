"""The images of the product and of its tests: built from Containerfiles, named by what went into them.

An image whose inputs are unchanged is neither built nor loaded again. The context of a build is the repository's root
as far as an image needs it, with the project's wheel in `dist/`. Images of several platforms are pushed as one.
"""

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tomllib

from tests.cluster import binaries, buildah, paths
from tests.cluster.base_image import base_image
from tests.cluster.cluster import Cluster, users_kubeconfig
from tests.cluster.command import run
from tests.cluster.locking import exclusive
from tests.cluster.node import Node
from tests.cluster.platforms import NATIVE, Platform
from tests.cluster.prerequisites import install_missing
from tests.cluster.progress import step

_LOCAL = "localhost"
_KEPT = 3  # older archives of each image
_EPOCH = 1_577_836_800  # one modification time for all files of a context, so that a fresh clone finds the same layers


@dataclass(frozen=True)
class Image:
    """One image; `sources` are what its build may copy, as paths in the repository."""

    name: str
    containerfile: Path
    sources: tuple[Path, ...]
    product: bool = True
    """Needs the project's wheel, and is for every platform; those of the tests are for this machine's."""
    nodes: tuple[str, ...] = ()
    """Those that run it; empty: all."""

    def runs_on(self, node: str) -> bool:
        """Whether that node needs it."""
        return not self.nodes or node in self.nodes


IMAGES = (
    Image("operator", Path("operator/Containerfile"), (Path("operator/requirements.txt"),), nodes=("cloud-0",)),
    Image("runtime-cpu", Path("runtime-images/cpu/Containerfile"), (Path("runtime-images/requirements"),)),
    Image(
        "triton",
        Path("tests/images/triton/Containerfile"),
        (Path("tests/images/triton"),),
        product=False,
        nodes=("cloud-0",),
    ),
    Image(
        "registry",
        Path("tests/images/registry/Containerfile"),
        (Path("tests/images/registry"),),
        product=False,
        nodes=("cloud-0",),
    ),
)
PRODUCT = tuple(image for image in IMAGES if image.product)


@dataclass(frozen=True)
class Built:
    """The references of the images by name: `built["operator"]`; and their archives, one for each platform."""

    references: dict[str, str] = field(default_factory=dict)
    archives: dict[str, dict[Platform, Path]] = field(default_factory=dict)
    pushed: bool = False
    """The references are in a registry."""

    def __getitem__(self, name: str) -> str:
        return self.references[name]

    def items(self) -> Iterator[tuple[str, str]]:
        """Names and references."""
        return iter(self.references.items())

    @property
    def runnable(self) -> dict[str, Path]:
        """Archives that nodes on this machine can run, by name."""
        return {name: archives[NATIVE] for name, archives in self.archives.items() if NATIVE in archives}


def build(registry: str = "", images: tuple[Image, ...] = IMAGES, platforms: Sequence[Platform] = (NATIVE,)) -> Built:
    """Builds what has changed; with a registry (host/path), the references are there, and pushed.

    `http://host/path` is a registry without TLS; so is one on this machine's loopback."""
    install_missing()
    built = Built(pushed=bool(registry))
    with exclusive("images"), tempfile.TemporaryDirectory(prefix="edgewise-images-") as folder:
        wheel = _wheel(Path(folder, "wheel")) if any(image.product for image in images) else None
        for image in images:
            context = _context(image, wheel, Path(folder, image.name))
            for platform in platforms if image.product else (NATIVE,):
                _add(built, image, context, platform)
    if registry:
        _push(built, registry)
    return built


def distribute(cluster: Cluster, built: Built, images: tuple[Image, ...] = IMAGES) -> None:
    """Imports the images into the nodes that run them, all nodes at once. A user's own cluster pulls from the registry
    they were pushed to, or is a K3s on this machine."""
    if users_kubeconfig():
        if not built.pushed:
            _into_k3s(cluster.kubeconfig, built)
        return

    archives = built.runnable

    def load(node: Node) -> None:
        node.load(*(archives[i.name] for i in images if i.name in archives and i.runs_on(node.name)))

    with step("load the images into the nodes"):
        cluster.each(load)


class NowhereToPutError(RuntimeError):
    """The cluster in use can get at the images in no way."""


def _into_k3s(kubeconfig: Path, built: Built) -> None:
    k3s = shutil.which("k3s")
    if k3s is None:
        raise NowhereToPutError(
            "KUBECONFIG names a cluster of yours: give REGISTRY=host/path that its nodes pull from, run this on its "
            "K3s server, or unset KUBECONFIG for the embedded cluster"
        )
    nodes = run(binaries.kubectl(), "--kubeconfig", kubeconfig, "get", "nodes", "-o", "name").split()
    if len(nodes) > 1:
        raise NowhereToPutError(
            f"this cluster has {len(nodes)} nodes, and an import reaches only the K3s on this machine: "
            "give REGISTRY=host/path that all of them pull from"
        )
    for archive in built.runnable.values():
        with step(f"import {archive.name} into K3s"):
            run(k3s, "ctr", "images", "import", archive)


def _wheel(folder: Path) -> Path:
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder, cwd=paths.REPOSITORY)
    return next(folder.glob("*.whl"))


def _context(image: Image, wheel: Path | None, context: Path) -> Path:
    """The repository's root as far as this image needs it, and nothing else: no change elsewhere rebuilds it."""
    for source in (image.containerfile, *image.sources):
        target = context / source
        target.parent.mkdir(parents=True, exist_ok=True)
        if (paths.REPOSITORY / source).is_dir():
            shutil.copytree(
                paths.REPOSITORY / source, target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True
            )
        else:
            shutil.copy(paths.REPOSITORY / source, target)
    if image.product and wheel:
        (context / "dist").mkdir()
        shutil.copy(wheel, context / "dist")
    for file in context.rglob("*"):
        os.utime(file, (_EPOCH, _EPOCH))
    return context


def _add(built: Built, image: Image, context: Path, platform: Platform) -> None:
    base = base_image(platform)
    key = _key(context, base)
    built.references[image.name] = f"{_LOCAL}/edgewise-{image.name}:{key}"
    local = _local(image, key, platform)
    archive = paths.cache() / "images" / platform.architecture / f"{image.name}-{key}.tar"
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        with step(f"build {local} ({platform})"):
            buildah.build(context, context / image.containerfile, base, local, platform)
            buildah.save(local, archive)
    built.archives.setdefault(image.name, {})[platform] = archive
    _forget_old(image, archive, platform)


def _local(image: Image, key: str, platform: Platform) -> str:
    """Its name in the storage of builds; only this machine's own has the name that nodes know it by."""
    return f"{_LOCAL}/edgewise-{image.name}:{key}" + ("" if platform == NATIVE else f"-{platform.architecture}")


def _key(context: Path, base: str) -> str:
    digest = hashlib.sha256(base.encode())
    for file in sorted(path for path in context.rglob("*") if path.is_file()):
        digest.update(f"\0{file.relative_to(context)}\0{file.stat().st_mode}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def _forget_old(image: Image, newest: Path, platform: Platform) -> None:
    others = {file for file in newest.parent.glob(f"{image.name}-*.tar") if file != newest}
    for file in sorted(others, key=lambda file: file.stat().st_mtime)[:-_KEPT]:
        local = _local(image, file.stem.rpartition("-")[2], platform)
        if buildah.has(local):
            buildah.buildah("rmi", local)
        file.unlink()


def _push(built: Built, registry: str) -> None:
    """Under two tags: the hash of what went in, and the version, which is what the chart asks for by itself."""
    plain, registry = registry.startswith("http://"), registry.removeprefix("http://").removeprefix("https://")
    tls = not plain and not registry.startswith(("localhost", "127."))
    version = tomllib.loads((paths.REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    for name, reference in built.references.items():
        built.references[name] = reference.replace(_LOCAL, registry, 1)
        tags = [built.references[name], f"{registry}/edgewise-{name}:{version}"]
        with step(f"push {' and '.join(tags)}"):
            buildah.push(built.archives[name].values(), tags, tls)
