"""One image run by itself, as a pod runs it but without a cluster, on this processor or an emulated one.

Its own user, a read-only root, no capabilities, 64 MiB of /tmp; the machine's network, so that tests find its ports.
"""

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cluster import buildah
from tests.cluster.command import run
from tests.cluster.emulation import emulation
from tests.cluster.locking import exclusive
from tests.cluster.platforms import NATIVE, Platform
from tests.cluster.process import with_parent

_NAME = "edgewise-standalone"
_STATE = Path("/run/edgewise-runc")
_RUNC = ("runc", "--root", str(_STATE))
_TMP = 64 * 2**20
_GRACE = 30.0  # a pod's terminationGracePeriodSeconds
# What an arm64 kernel says of a Raspberry Pi 4. QEMU's user mode would show the PC's, which no arm64 program can read.
_CPUINFO = "".join(
    f"processor\t: {core}\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm crc32 cpuid\nCPU implementer\t: 0x41\n"
    "CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd08\nCPU revision\t: 3\n\n"
    for core in range(4)
)


@dataclass(frozen=True)
class Order:
    """What to run: arguments for the image's entrypoint, variables besides the image's, {here: there} of folders.

    Folders are the container's to write to if its user may; `entrypoint` takes the place of the image's own.
    """

    arguments: Sequence[object]
    environment: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[Path, str] = field(default_factory=dict)
    entrypoint: Sequence[str] = ()


class Container:
    """An unpacked image, ready to be started again and again."""

    def __init__(self, root: Path, image: str, bundle: Path, platform: Platform) -> None:
        self._root, self._bundle, self._platform = root, bundle, platform
        inspected = json.loads(buildah.buildah("inspect", "--type", "image", image))
        self._config: dict[str, Any] = inspected["OCIv1"]["config"]

    @contextmanager
    def started(self, order: Order, log: Path) -> Iterator["subprocess.Popen[str]"]:
        """Runs until the block ends, then gets SIGTERM. Its standard output is a pipe, its errors go to `log`."""
        (self._bundle / "config.json").write_text(json.dumps(self._specification(order)))
        command = [*_RUNC, "run", "--bundle", str(self._bundle), _NAME]
        with log.open("w") as errors:
            process = subprocess.Popen(with_parent(command), stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.communicate(timeout=_GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                raise
            finally:
                _delete()

    def said(self, order: Order) -> str:
        """Standard output of a program that ends. Raises `CommandError` with what it said where it fails."""
        (self._bundle / "config.json").write_text(json.dumps(self._specification(order)))
        return run(*_RUNC, "run", "--bundle", self._bundle, _NAME)

    def _specification(self, order: Order) -> dict[str, Any]:
        """config.json of the OCI runtime specification."""
        user, _, group = self._config["User"].partition(":")
        environment = [*self._config["Env"], *(f"{name}={value}" for name, value in order.environment.items())]
        program = order.entrypoint or self._config["Entrypoint"]
        return {
            "ociVersion": "1.0.2",
            "root": {"path": str(self._root), "readonly": True},
            "process": {
                "user": {"uid": int(user), "gid": int(group)},
                "cwd": "/",
                "noNewPrivileges": True,
                "args": [*program, *map(str, order.arguments)],
                "env": environment,
            },
            "mounts": [*self._system(), *(_bound(here, there) for here, there in order.folders.items())],
            # No PID namespace: the first process of one is spared its own abort(), and a crash would look like a hang.
            "linux": {
                "cgroupsPath": f"/{_NAME}",
                "namespaces": [{"type": name} for name in ("ipc", "uts", "mount")],
            },
        }

    def _system(self) -> Iterator[dict[str, Any]]:
        yield {"destination": "/proc", "type": "proc", "source": "proc"}
        yield {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]}
        yield {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": [f"size={_TMP}", "mode=1777"]}
        yield _bound(Path("/sys"), "/sys", "rbind", "ro")
        if self._platform != NATIVE:
            cpuinfo = self._bundle / "cpuinfo"
            cpuinfo.write_text(_CPUINFO)
            yield _bound(cpuinfo, "/proc/cpuinfo", "bind", "ro")


@contextmanager
def unpacked(archive: Path, platform: Platform = NATIVE) -> Iterator[Container]:
    """The image of an archive. One at a time on a machine; no image is built meanwhile."""
    with exclusive("images"), emulation(platform), tempfile.TemporaryDirectory() as bundle:
        _delete()
        buildah.remove_containers()
        image = buildah.buildah("pull", "--quiet", f"oci-archive:{archive}").strip()
        with buildah.mounted_image(image, platform) as root:
            yield Container(root, image, Path(bundle), platform)


def release() -> None:
    """Ends what a killed process left running; waits for one that is under way."""
    with exclusive("images"):
        _delete()


def leftovers() -> list[str]:
    """What `release` would end."""
    return [str(path) for path in _STATE.glob("*")]


def _delete() -> None:
    if leftovers():
        run(*_RUNC, "delete", "--force", _NAME)


def _bound(here: Path, there: str, *options: str) -> dict[str, Any]:
    return {"destination": there, "type": "bind", "source": str(here), "options": list(options or ("bind", "rw"))}
