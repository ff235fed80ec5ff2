"""buildah with a storage of the harness's own. One name for images of several platforms is an index, as elsewhere."""

import json
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster import indexes, paths
from tests.cluster.command import run, succeeds
from tests.cluster.locking import exclusive
from tests.cluster.platforms import NATIVE, Platform


def buildah(command: str, *arguments: object) -> str:
    """Standard output of a buildah command."""
    return run(*_storage(), command, *arguments)


def has(reference: str) -> bool:
    """Whether the storage has that image."""
    return succeeds(*_storage(), "inspect", "--type", "image", reference)


def build(context: Path, containerfile: Path, base: str, reference: str, platform: Platform = NATIVE) -> None:
    """Builds an image from a Containerfile with an `ARG BASE`; unchanged steps come from the storage. One at a time.

    BUILDPLATFORM, for stages that are to run on this machine's own processor, is given as BuildKit gives it.
    """
    options = ["--quiet", "--layers", "--isolation", "chroot", "--network", "host", "--platform", platform]
    volumes = [word for here, there in indexes.volumes() for word in ("--volume", f"{here}:{there}:ro")]
    given = ["--build-arg", f"BASE={base}", "--build-arg", f"BUILDPLATFORM={NATIVE}"]
    try:
        buildah("build", *options, *volumes, *given, "--tag", reference, "--file", containerfile, context)
    finally:
        remove_containers()  # it leaves those of the stages that others go on from, mounted


def save(reference: str, archive: Path) -> None:
    """Writes an image as an OCI archive; zstd, which containerd unpacks fastest."""
    part = archive.with_suffix(".part")
    part.unlink(missing_ok=True)
    compression = ["--compression-format", "zstd", "--compression-level", 1]
    buildah("push", "--quiet", *compression, reference, f"oci-archive:{part}:{reference}")
    part.rename(archive)


def architectures(index: str) -> set[str]:
    """Those an index in the storage has an image for; none when there is no such index."""
    if not succeeds(*_storage(), "manifest", "exists", index):
        return set()
    found = json.loads(buildah("manifest", "inspect", index)).get("manifests", [])
    return {entry["platform"]["architecture"] for entry in found}


def add_to(index: str, image: str) -> None:
    """Adds an image, of the storage or of an archive, to an index, which is made if there is none."""
    if not succeeds(*_storage(), "manifest", "exists", index):
        buildah("manifest", "create", index)
    buildah("manifest", "add", index, image)


def push(archives: Iterable[Path], references: Iterable[str], tls: bool = True) -> None:
    """Pushes the images of these archives, one for each platform, as one index under every reference.

    Layers are zstd as in the archives, which containerd reads since 1.5. Without `tls`, plain HTTP will do.
    """
    index = f"localhost/edgewise-publishing:{uuid.uuid4().hex}"
    try:
        for archive in archives:
            add_to(index, f"oci-archive:{archive}")  # as it is: nothing is unpacked and compressed again
        for reference in references:
            options = ["--quiet", "--all", "--format", "oci", f"--tls-verify={str(tls).lower()}"]
            buildah("manifest", "push", *options, index, f"docker://{reference}")
    finally:
        buildah("manifest", "rm", index)


@contextmanager
def mounted_image(image: str, platform: Platform = NATIVE) -> Iterator[Path]:
    """The root of a container of an image; what is changed in it is gone with the block."""
    container = buildah("from", "--quiet", "--pull-never", "--platform", platform, image).strip()
    try:
        yield Path(buildah("mount", container).strip())
    finally:
        buildah("umount", container)
        buildah("rm", container)


def mounted() -> list[str]:
    """Mounts below the storage: a build that was killed leaves its root behind, and buildah the storage itself."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4] for line in lines]
    return [point for point in points if Path(point).is_relative_to(paths.cache() / "buildah")]


def remove_containers() -> None:
    """Those of builds and of blocks that were killed; whoever calls this holds the lock `images`."""
    if buildah("containers", "--quiet").strip():
        buildah("rm", "--all")


def release() -> None:
    """Unmounts them, the inner ones first; a build that is under way is waited for."""
    with exclusive("images"):
        if mounted():
            remove_containers()
        for point in reversed(mounted()):
            run("umount", "--lazy", point)


def _storage() -> list[object]:
    driver = os.environ.get("STORAGE_DRIVER", "overlay")
    folders = ["--root", paths.cache() / "buildah", "--runroot", "/run/edgewise-buildah"]
    options = ["--storage-opt", "overlay.skip_mount_home=true"] if driver == "overlay" else []  # leaves no mount behind
    return ["buildah", *folders, "--storage-driver", driver, *options]
