"""The control groups of the nodes: one subtree a node, all below one of our own.

Membership is the kernel's own record of which processes belong to a node, children and orphans included. That is how a
power cycle ends every one of them and nothing else.
"""

import os
import signal
import time
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_OURS = "edgewise-cluster"
_CONTROLLERS = "+cpu +cpuset +io +memory +pids"


class Cgroup:
    """The subtree of one node; its daemons are in the leaf `system`, its pods where the kubelet puts them."""

    def __init__(self, node: str) -> None:
        self.path = f"/{_OURS}/{node}"

    @property
    def entry(self) -> Path:
        """The file that a process writes its id to, to be counted among the node's daemons."""
        return _tracker() / self.path[1:] / "system" / "cgroup.procs"

    def create(self) -> None:
        """Makes the subtree in every hierarchy; keeps what is there."""
        for hierarchy in _hierarchies():
            _create(hierarchy, hierarchy / self.path[1:])
        self.entry.parent.mkdir(exist_ok=True)

    def kill(self, timeout: float = 10) -> None:
        """Kills every process of the subtree, and returns when there is none."""
        deadline = time.monotonic() + timeout
        while pids := self._members():
            if time.monotonic() > deadline:
                raise TimeoutError(f"processes {pids} of {self.path} do not end")
            for pid in pids:
                self._kill_member(pid)
            time.sleep(0.02)

    def remove(self) -> None:
        """Deletes the subtree, which must be empty of processes."""
        for hierarchy in _hierarchies():
            for folder, _, _ in os.walk(hierarchy / self.path[1:], topdown=False):
                Path(folder).rmdir()

    def _members(self) -> list[int]:
        files = (_tracker() / self.path[1:]).rglob("cgroup.procs")
        return [int(pid) for file in files for pid in file.read_text().split()]

    def _kill_member(self, pid: int) -> None:
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        try:
            # Looked up again behind the handle: the id may be another process's by now.
            if f"{self.path}/" in Path(f"/proc/{pid}/cgroup").read_text():
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        except ProcessLookupError:
            pass
        finally:
            os.close(handle)


def create_root() -> None:
    """Makes the control group that all nodes are below of."""
    for hierarchy in _hierarchies():
        _create(hierarchy, hierarchy / _OURS)


def remove_root() -> None:
    """Deletes it; the nodes' must be gone."""
    for hierarchy in _hierarchies():
        if (hierarchy / _OURS).exists():
            (hierarchy / _OURS).rmdir()


def nodes_with_cgroups() -> list[str]:
    """The names of the nodes that still have a subtree."""
    return [folder.name for folder in (_tracker() / _OURS).glob("*") if folder.is_dir()]


def _version_2() -> bool:
    return (_ROOT / "cgroup.controllers").exists()


def _hierarchies() -> list[Path]:
    return [_ROOT] if _version_2() else sorted(file.parent for file in _ROOT.glob("*/cgroup.procs"))


def _tracker() -> Path:
    """The one hierarchy whose membership we go by."""
    return _ROOT if _version_2() else _ROOT / "pids"


def _create(hierarchy: Path, folder: Path) -> None:
    """Makes `folder`, with the use of what its parent has: version 2 wants controllers handed down, cpuset its sets."""
    folder.mkdir(exist_ok=True)
    if _version_2():
        (folder / "cgroup.subtree_control").write_text(_CONTROLLERS)
    elif hierarchy.name == "cpuset":
        for name in ("cpuset.cpus", "cpuset.mems"):
            (folder / name).write_text((folder.parent / name).read_text())
