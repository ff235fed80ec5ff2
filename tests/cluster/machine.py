"""The device under a node: its own network, its own mounts, its own processes. Power on, power off.

A node has a network namespace and a mount namespace, held by a process that sleeps, and a control group. In the mount
namespace the folders of the kubelet, of containerd and of the model cache are the node's own, so that several nodes
share one disk without meeting there. What is mounted there goes with the last process: nothing is left to unmount.
(Holding the namespaces by a bind mount instead fails at random inside another mount namespace, on Linux 6.18.)
"""

import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.cluster import paths
from tests.cluster.cgroups import Cgroup
from tests.cluster.host import GATEWAY, PRIVATE_FOLDERS
from tests.cluster.link import OFFLOADS_OFF, Link
from tests.cluster.nodes import NodeSpec
from tests.cluster.process import Records
from tests.cluster.waiting import wait_for

_VOLATILE = Path("/run")
_HOLDER = "machine"


class MachineOffError(RuntimeError):
    """Nothing runs on a machine that is off."""


class Machine:
    """A device with a disk (`disk`, survives a power cycle) and memory file systems (`volatile`, does not)."""

    def __init__(self, spec: NodeSpec) -> None:
        self.spec = spec
        self.disk = paths.STATE / "nodes" / spec.name
        self.volatile = paths.RUN / spec.name
        self.cgroup = Cgroup(spec.name)
        self.link = Link(spec)
        self._power = Records(self.disk / "power")

    @property
    def is_on(self) -> bool:
        """Whether it has its namespaces and the wire."""
        holder = self._power.get(_HOLDER)
        return holder is not None and holder.alive and self.link.exists

    def power_on(self) -> None:
        """Makes the namespaces, the wire to the bridge and the control group."""
        if self.is_on:
            return
        self.power_off()
        self.cgroup.create()
        ready = self.volatile / "ready"
        script = "\n".join([*self._mounts(), *self._network(), f"touch {ready}", "exec sleep infinity"])
        holder = self._power.start(_HOLDER, self._member(["unshare", "--net", "--mount", "sh", "-ec", script]))
        wait_for(f"machine {self.spec.name} is on", ready.exists, holder)
        self.link.connect()

    def power_off(self) -> None:
        """Kills every process and drops all but the disk, at once, as pulling the plug does."""
        self.cgroup.kill()
        self.cgroup.remove()
        self._power.stop(grace=0)
        self.link.remove()
        shutil.rmtree(self.volatile, ignore_errors=True)

    def inside(self, argv: Sequence[str]) -> list[str]:
        """The command that runs `argv` as one of the machine's daemons, under the process id of the caller."""
        return self._member([*self._enter("--net", "--mount"), *argv])

    def on_network(self, argv: Sequence[str]) -> list[str]:
        """The command that runs `argv` on the machine's network, with the files of the host."""
        return [*self._enter("--net"), *argv]

    def on_mounts(self, argv: Sequence[object]) -> list[object]:
        """The command that runs `argv` among the machine's mounts, on the network of the host."""
        return [*self._enter("--mount"), *argv]

    def private(self, folder: Path) -> Path:
        """Where on the host the machine's own `folder` lies (one of `PRIVATE_FOLDERS`)."""
        base = self.volatile if folder.is_relative_to(_VOLATILE) else self.disk
        return base / "root" / folder.relative_to("/")

    def _enter(self, *namespaces: str) -> list[str]:
        holder = self._power.get(_HOLDER)
        if holder is None:
            raise MachineOffError(f"{self.spec.name} is off")
        return ["nsenter", f"--target={holder.pid}", *namespaces, "--"]

    def _member(self, argv: Sequence[str]) -> list[str]:
        return ["sh", "-ec", f'echo $$ > {self.cgroup.entry}; exec "$@"', "sh", *argv]

    def _mounts(self) -> list[str]:
        commands = ["mount --make-rshared /"]  # volumes may ask for shared mounts
        for folder in PRIVATE_FOLDERS:
            source = self.private(folder)
            source.mkdir(parents=True, exist_ok=True)
            commands.append(shlex.join(["mount", "--bind", str(source), str(folder)]))
        return commands

    def _network(self) -> list[str]:
        spec = self.spec
        return [
            "ip link set lo up",
            f"ip link add eth0 type veth peer name {self.link.name} netns {os.getpid()}",
            f"ip address add {spec.address}/24 dev eth0",
            f"ethtool -K eth0 {' '.join(OFFLOADS_OFF)}",
            "ip link set eth0 up",
            f"ip route add default via {GATEWAY}",
            "echo 1 > /proc/sys/net/ipv4/ip_forward",
        ]
