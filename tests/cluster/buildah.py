"""buildah with a storage of the harness's own, and with this machine's way to its package registries.

A machine may reach PyPI through settings of its own (an index, a certificate, a proxy). Those that pip knows are handed
to builds as a mounted file, so that no Containerfile knows of them and no image contains them.
"""

import ast
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.cluster import paths
from tests.cluster.command import run, succeeds
from tests.cluster.locking import exclusive

_CERTIFICATES = Path("/etc/ssl/certs")
_NETWORK_OPTIONS = {
    "cert",
    "client-cert",
    "default-timeout",
    "extra-index-url",
    "find-links",
    "index-url",
    "no-index",
    "proxy",
    "timeout",
    "trusted-host",
}


def buildah(command: str, *arguments: object) -> str:
    """Standard output of a buildah command."""
    return run(*_storage(), command, *arguments)


def has(reference: str) -> bool:
    """Whether the storage has that image."""
    return succeeds(*_storage(), "inspect", "--type", "image", reference)


def build(context: Path, containerfile: Path, base: str, reference: str) -> None:
    """Builds an image from a Containerfile with an `ARG BASE`; unchanged steps come from the storage."""
    options = ["--quiet", "--layers", "--isolation", "chroot", "--network", "host"]
    names = ["--build-arg", f"BASE={base}", "--tag", reference, "--file", containerfile]
    buildah("build", *options, *_volumes(), *names, context)


def save(reference: str, archive: Path) -> None:
    """Writes an image as an OCI archive; zstd, which containerd unpacks fastest."""
    part = archive.with_suffix(".part")
    part.unlink(missing_ok=True)
    compression = ["--compression-format", "zstd", "--compression-level", 1]
    buildah("push", "--quiet", *compression, reference, f"oci-archive:{part}:{reference}")
    part.rename(archive)


def push(archive: Path, reference: str, tls: bool = True) -> None:
    """Pushes an image archive to a registry; without `tls`, plain HTTP will do."""
    image = buildah("pull", "--quiet", f"oci-archive:{archive}").strip()
    buildah("push", "--quiet", f"--tls-verify={str(tls).lower()}", image, f"docker://{reference}")


def mounted() -> list[str]:
    """Mounts below the storage: a build that was killed leaves its root behind, and buildah the storage itself."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4] for line in lines]
    return [point for point in points if Path(point).is_relative_to(paths.cache() / "buildah")]


def release() -> None:
    """Unmounts them, the inner ones first; a build that is under way is waited for."""
    with exclusive("images"):
        for point in reversed(mounted()):
            run("umount", "--lazy", point)


def _storage() -> list[object]:
    driver = os.environ.get("STORAGE_DRIVER", "overlay")
    folders = ["--root", paths.cache() / "buildah", "--runroot", "/run/edgewise-buildah"]
    options = ["--storage-opt", "overlay.skip_mount_home=true"] if driver == "overlay" else []  # leaves no mount behind
    return ["buildah", *folders, "--storage-driver", driver, *options]


def _volumes() -> Iterator[object]:
    configuration = paths.cache() / "pip.conf"
    settings = dict(_pip_settings())
    configuration.write_text("\n".join(["[global]", *(f"{key} = {value}" for key, value in settings.items()), ""]))
    places = {path for value in settings.values() for path in map(Path, value.split()) if path.is_absolute()}
    outside = {path for path in places if path.exists() and not path.is_relative_to(_CERTIFICATES)}
    same = [Path("/etc/resolv.conf"), *filter(Path.exists, [_CERTIFICATES]), *sorted(outside)]
    for source, target in [(configuration, "/etc/pip.conf"), *((path, path) for path in same)]:
        yield from ("--volume", f"{source}:{target}:ro")


def _pip_settings() -> Iterator[tuple[str, str]]:
    for line in run(sys.executable, "-m", "pip", "config", "list").splitlines():
        key, _, value = line.partition("=")
        option = key.rpartition(".")[2]
        if option in _NETWORK_OPTIONS:
            yield option, str(ast.literal_eval(value))
